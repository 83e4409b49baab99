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
        if self._engine.dialect.name != "sqlite":
            yield True
            return
        if self._path is None:
            self._path = self._lock_path()
        if not self._path:
            yield True
            return
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise OutboxUnavailable(
                f"the relay's lock file {self._path} cannot be opened: {error.strerror}"
            ) from None
        try:
            ours = _locked(descriptor)
            if ours:
                note = json.dumps({"pid": os.getpid(), "since": time.time()}).encode()
                os.ftruncate(descriptor, len(note))
                os.pwrite(descriptor, note, 0)
            yield ours
        finally:
            os.close(descriptor)

    @contextmanager
    def kept_out(self, seconds: float) -> Iterator[bool]:
        """Whether no relay is at work for the length of the block; False when one still is after so many seconds.

        It makes no file: where there is none no relay has run.
        """
        if self._engine.dialect.name != "sqlite" or not (path := self._lock_path()):
            yield True
            return
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield True
            return
        except OSError as error:
            raise OutboxUnavailable(
                f"the relay's lock file {path} cannot be opened: {error.strerror}"
            ) from None
        deadline = time.monotonic() + seconds
        try:
            while not (ours := _locked(descriptor)) and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            yield ours
        finally:
            os.close(descriptor)

    def holder(self) -> LockHolder | None:
        """Who took the lock last, as the file tells it; None when it does not."""
        try:
            with open(self._path or "", "rb") as file:  # noqa: PTH123
                note = json.loads(file.read(1000))
            return LockHolder(int(note["pid"]), max(0.0, time.time() - float(note["since"])))
        except (OSError, ValueError, KeyError, TypeError):
            return None

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
