"""On SQLite one relay works at a time. The lock is a file of its own beside the database.

SQLite's write lock would do too, but then every writer of the backend would wait while the relay talks to
Redis. The kernel drops this lock when its holder dies; one that is frozen keeps it, so the file says who has held
it since when. PostgreSQL needs no lock: its rows are locked one by one.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.engine import Engine

from gong_views.outbox.errors import OutboxUnavailable, translated

SUFFIX = "-gong-views-relay"
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The relay that holds the lock."""

    pid: int
    held_seconds: float


class RelayLock:
    """The right to relay, for one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._path: str | None = None

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Whether it is ours for the length of the block; False at once when another relay is at work."""
        with self._file(os.O_RDWR | os.O_CREAT) as file:
            ours = file is None or _locked(file)
            if ours and file is not None:
                note = json.dumps({"pid": os.getpid(), "since": time.time()}).encode()
                os.ftruncate(file, len(note))
                os.pwrite(file, note, 0)
            yield ours

    @contextmanager
    def kept_out(self, seconds: float) -> Iterator[bool]:
        """Whether no relay is at work for the length of the block; False when one still is after so many seconds.

        It makes no file: where there is none no relay has run.
        """
        deadline = time.monotonic() + seconds
        with self._file(os.O_RDONLY) as file:
            while not (ours := file is None or _locked(file)) and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            yield ours

    def holder(self) -> LockHolder | None:
        """Who took the lock last, as the file tells it; None when it does not."""
        try:
            with open(self._path or "", "rb") as file:  # noqa: PTH123
                note = json.loads(file.read(1000))
            return LockHolder(int(note["pid"]), max(0.0, time.time() - float(note["since"])))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @contextmanager
    def _file(self, flags: int) -> Iterator[int | None]:
        """The open lock file; None where there is nothing to lock, or no file and `flags` do not make one."""
        if self._path is None and self._engine.dialect.name == "sqlite":
            self._path = self._lock_path()
        if not self._path:
            yield None
            return
        descriptor = None
        try:
            descriptor = os.open(self._path, flags | os.O_CLOEXEC, 0o644)
        except OSError as error:
            if flags & os.O_CREAT or not isinstance(error, FileNotFoundError):
                raise OutboxUnavailable(
                    f"the relay's lock file {self._path} cannot be opened: {error.strerror}"
                ) from None
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _lock_path(self) -> str:
        """Beside the file that is really open, however the URL is written; "" for a database in memory."""
        with translated(self._engine), self._engine.connect() as connection:
            for _, name, path in connection.exec_driver_sql("PRAGMA database_list"):
                if name == "main" and path:
                    return f"{os.path.realpath(path)}{SUFFIX}"
        return ""


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
