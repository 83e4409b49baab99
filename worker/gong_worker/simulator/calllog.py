"""The record of every call the simulator saw, and the memory a killed simulator comes back with."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

Entry = dict[str, Any]
Key = tuple[str, str]


class NotACallLog(ValueError):
    """The file holds something else, of which nothing is touched; the text names it."""


class CallLog:
    """Every call in the order it was judged, the accepted keys, and the counts by outcome.

    With a path each entry is one JSON line, written in a single write before the call is answered: whatever
    a client was told is in the file, also after kill -9. A line torn by the kill belongs to a call that was
    never answered and is cut off. Raises NotACallLog, OSError.
    """

    def __init__(self, path: Path | None = None) -> None:
        # Kept as JSON: small, and nothing for the garbage collector to walk through in the middle of a call.
        self.lines: list[bytes] = []
        self.accepted: dict[Key, str] = {}
        self.outcomes: Counter[str] = Counter()
        self._file: int | None = None
        if path is None:
            return
        raw = path.read_bytes() if path.exists() else b""
        whole = raw[: raw.rfind(b"\n") + 1]
        try:
            for line in whole.splitlines():
                self._keep(json.loads(line), line)
        except (ValueError, KeyError, TypeError):
            raise NotACallLog(f"{path} holds something else than a simulator's calls") from None
        if not raw.startswith(b"{"[: len(raw)]):
            raise NotACallLog(f"{path} holds something else than a simulator's calls")
        if len(whole) < len(raw):
            os.truncate(path, len(whole))
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append(self, entry: Entry) -> None:
        """Keep an entry, in the file first."""
        line = json.dumps(entry).encode()
        if self._file is not None:
            os.write(self._file, line + b"\n")
        self._keep(entry, line)

    def _keep(self, entry: Entry, line: bytes) -> None:
        self.lines.append(line)
        self.outcomes[entry["outcome"]] += 1
        if entry["accepted"] and entry["key"] is not None:
            reporting_system, event_id = entry["key"]
            self.accepted[reporting_system, event_id] = entry["request_id"]

    def clear(self) -> None:
        """Forget everything, in the file too."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
        self.lines.clear()
        self.accepted.clear()
        self.outcomes.clear()

    def close(self) -> None:
        """Close the file; nothing can be appended afterwards."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
