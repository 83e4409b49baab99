"""The spool files of version 0.1, JSON lines beside lock files: read once, moved into the spool's database.

Processes of 0.1 may still be writing: its files are locked and set aside as 0.1 itself did.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gong_views.names import Lane

Row = tuple[str, str, str | None, int | None, int]
"""lane, event as JSON, source, replay_of, unreadable"""


class JsonlSpool:
    """The file that 0.1 appended to, and the one that it set aside to drain. Methods may raise OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = path.with_name(path.name + ".draining")
        self._position = path.with_name(path.name + ".position")

    def exists(self) -> bool:
        """Whether anything is left of it."""
        return self._path.exists() or self._aside.exists()

    def move(self, insert: Callable[[Iterable[Row]], None]) -> None:
        """Give all lines to `insert`, the oldest first, and delete the files; nothing while 0.1 drains them.

        A crash in between inserts them again, which the event key makes harmless.
        """
        with self._locked("drain.lock", wait=False) as alone:
            while alone and self.exists():
                if not self._aside.exists():
                    with self._locked("lock"):
                        self._position.unlink(missing_ok=True)
                        self._path.rename(self._aside)
                with self._aside.open("rb") as file:
                    file.seek(self._start())
                    insert(_rows(file))
                self._aside.unlink()
                self._position.unlink(missing_ok=True)

    def _start(self) -> int:
        try:
            return int(self._position.read_text())
        except (OSError, ValueError):
            return 0

    @contextmanager
    def _locked(self, suffix: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold a lock file of 0.1; False if it is taken and we do not `wait`."""
        path = self._path.with_name(f"{self._path.name}.{suffix}")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)


def _rows(file: BinaryIO) -> Iterator[Row]:
    for line in file:
        try:
            yield _row(line)
        except (
            ValueError,
            TypeError,
            KeyError,
            RecursionError,
        ):  # e.g. half-written when the machine went down
            yield Lane.LIVE.value, line.decode(errors="backslashreplace"), None, None, 1


def _row(line: bytes) -> Row:
    record = json.loads(line)
    wire, source, replay_of = record["event"], record.get("source"), record.get("replayOf")
    if not isinstance(wire, dict) or not isinstance(wire["eventId"], str):
        raise ValueError("no event")
    if not isinstance(source, str | None) or not isinstance(replay_of, int | None):
        raise TypeError("source or replayOf")
    if source is not None:
        source.encode()  # a ValueError for a lone surrogate, which SQLite cannot store
    return Lane(record["lane"]).value, json.dumps(wire), source, replay_of, 0
