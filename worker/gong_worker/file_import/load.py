"""From records to the queue, batch by batch; what is invalid goes to a file of rejects."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from gong_views.names import Lane
from gong_views.queue import ViewQueue
from gong_views.receipt import BatchResult
from gong_worker.file_import.records import Errors, Record

BATCH_EVENTS: Final = 500
#: A batch of huge events is sent sooner, so that memory stays bounded.
BATCH_BYTES: Final = 8_000_000


@dataclass(slots=True)
class Progress:
    """How far a load has come: everything up to `offset` is on the queue or among the rejects."""

    offset: int = 0
    """In bytes of the (decompressed) file."""
    lines: int = 0
    enqueued: int = 0
    rejected: int = 0
    rejects_bytes: int = 0
    """Length of the rejects file."""


class Rejects:
    """Rejects at `path`: `keep_bytes` of an earlier, interrupted run are kept, the rest of the file goes.

    The file is made with the first reject: without any there is none. Its lines hold the original text, and so
    people's names and e-mail addresses: only the owner may read it.
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


def load(
    records: Iterable[Record],
    queue: ViewQueue,
    lane: Lane,
    rejects: Rejects,
    progress: Progress,
    *,
    after_batch: Callable[[Progress], None],
) -> None:
    """Enqueue the records; `progress` is right after every batch, also when this raises.

    Raises QueueUnavailable (the batch in hand may be in, and is not counted: enqueuing it again is harmless)
    and OSError when the rejects cannot be written.
    """
    for batch in batches(records):
        events = [(record, record.event) for record in batch if record.event is not None]
        result = BatchResult()
        for part in queue.enqueue_batches((event for _, event in events), lane, batch_size=BATCH_EVENTS):
            result.extend(part)
        wrong: dict[int, tuple[Record, Errors]] = {
            record.line: (record, record.errors) for record in batch if record.errors
        }
        wrong |= {events[index][0].line: (events[index][0], errors) for index, errors in result.rejected}
        for _, (record, errors) in sorted(wrong.items()):
            rejects.add(record, errors)
        progress.rejects_bytes = rejects.flush()
        progress.enqueued += len(result.accepted)
        progress.rejected += len(wrong)
        progress.lines = batch[-1].last_line
        progress.offset = batch[-1].end
        after_batch(progress)


def batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """The records in bounded lists."""
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.raw)
        if len(batch) >= BATCH_EVENTS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
