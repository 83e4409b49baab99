"""The file of rejects: what was wrong, where, and the original text, one JSON line each.

The texts hold people's names and e-mail addresses, so only the owner may read the file.
"""

import json
import os
from pathlib import Path
from typing import BinaryIO

from gong_worker.file_import.records import Errors, Record


class Rejects:
    """Rejects at `path`: `keep_bytes` of an earlier, interrupted run are kept, the rest of the file goes.

    The file is made with the first reject: without any there is none.
    """

    def __init__(self, path: Path, *, keep_bytes: int = 0) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._size = 0
        if keep_bytes and path.exists():
            self._open().truncate(keep_bytes)
            self._size = min(keep_bytes, self._open().seek(0, os.SEEK_END))
        else:
            path.unlink(missing_ok=True)

    def add(self, record: Record, errors: Errors) -> None:
        """Note one reject; raises OSError."""
        # What is no UTF-8 is shown with its bytes escaped: JSON has no other way.
        raw = record.raw.decode(errors="backslashreplace")
        line = json.dumps({"line": record.line, "errors": errors, "raw": raw}, ensure_ascii=False)
        self._size += self._open().write(line.encode(errors="backslashreplace") + b"\n")

    def flush(self) -> int:
        """Hand everything to the operating system; the file's length in bytes. Raises OSError."""
        if self._file is not None:
            self._file.flush()
        return self._size

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> BinaryIO:
        if self._file is None:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            self._file = os.fdopen(descriptor, "r+b")
        return self._file
