"""A local file for events that Redis would not take: one JSON line each, on disk before `append` returns.

Several processes and threads may share it: a lock file beside it keeps writers apart, another one drainers.
A drain sets the file aside by renaming, then takes it away piece by piece: push, note how far, go on. A crash
between the push and the note pushes a piece again, and the event key makes one delivery of the two. A line
that cannot be read (half-written when the machine went down) is kept in `<file>.bad`.

It holds people's names and e-mail addresses, so only the owner may read it.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gong_views.commands import Item
from gong_views.names import Lane

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some spooled events, by lane, and where the rest of the file begins."""

    lanes: dict[Lane, list[Item]]
    bad: list[bytes]
    end: int

    @property
    def size(self) -> int:
        """How many events."""
        return sum(len(items) for items in self.lanes.values())


class Spool:
    """The spool file at `path`; made, with its folder, when first needed. Every method may raise OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._draining = path.with_name(path.name + ".draining")
        self._position = path.with_name(path.name + ".position")
        self._bad = path.with_name(path.name + ".bad")

    def append(self, lane: Lane, items: Sequence[Item]) -> None:
        """Write the events and wait until the disk has them; all of them or, on OSError, none."""
        lines = [json.dumps(_record(lane, item), ensure_ascii=False) + "\n" for item in items]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked("lock"):
            _append(self.path, "".join(lines).encode())

    def has_events(self) -> bool:
        """Whether there is anything to drain; costs two looks into the folder."""
        return self.path.exists() or self._draining.exists()

    @contextmanager
    def taking(self, limit: int) -> Iterator[Piece | None]:
        """Up to `limit` events to push; leaving the block without an error takes them off the spool.

        None when there is nothing, or when another process is at it.
        """
        if not self.has_events():
            yield None
            return
        with self._locked("drain.lock", wait=False) as alone:
            piece = self._next(limit) if alone else None
            yield piece
            if piece is not None:
                self._done(piece)

    def _next(self, limit: int) -> Piece | None:
        if not self._draining.exists():
            with self._locked("lock"):
                if not self.path.exists():
                    return None
                self._position.unlink(missing_ok=True)
                self.path.rename(self._draining)
        try:
            start = int(self._position.read_text())
        except (OSError, ValueError):
            start = 0
        lanes: dict[Lane, list[Item]] = {}
        bad: list[bytes] = []
        with self._draining.open("rb") as file:
            file.seek(start)
            for _ in range(limit):
                line = file.readline()
                if not line:
                    break
                try:
                    lane, item = _parse(line)
                except (ValueError, TypeError, KeyError, RecursionError):
                    bad.append(line.rstrip(b"\n") + b"\n")
                else:
                    lanes.setdefault(lane, []).append(item)
            return Piece(lanes, bad, file.tell())

    def _done(self, piece: Piece) -> None:
        if piece.bad:
            _append(self._bad, b"".join(piece.bad))
            log.error(
                "%d spooled lines cannot be read and are kept in %s",
                len(piece.bad),
                self._bad,
                extra={"action": "spool_lines_unreadable"},
            )
        if piece.end >= self._draining.stat().st_size:
            self._draining.unlink()
            self._position.unlink(missing_ok=True)
            return
        temporary = self._position.with_name(self._position.name + ".new")
        temporary.write_text(str(piece.end))
        temporary.replace(self._position)

    @contextmanager
    def _locked(self, suffix: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold a lock file beside the spool; False if it is taken and we do not `wait`."""
        path = self.path.with_name(f"{self.path.name}.{suffix}")
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


def _record(lane: Lane, item: Item) -> dict[str, Any]:
    record: dict[str, Any] = {"lane": lane.value, "eventId": item.event_id, "event": item.wire}
    if item.source is not None:
        record["source"] = item.source
    if item.replay_of is not None:
        record["replayOf"] = item.replay_of
    return record


def _parse(line: bytes) -> tuple[Lane, Item]:
    record = json.loads(line)
    event_id, wire = record["eventId"], record["event"]
    source, replay_of = record.get("source"), record.get("replayOf")
    if not (isinstance(wire, dict) and isinstance(event_id, str)):
        raise ValueError("no event")
    if not isinstance(source, str | None) or not isinstance(replay_of, int | None):
        raise TypeError("source or replayOf")
    return Lane(record["lane"]), Item(event_id, wire, source, replay_of)


def _append(path: Path, data: bytes) -> None:
    """Append and fsync; a write that fails half-way is taken back, a torn end of a crash closed off."""
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    if new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
