"""On SQLite one relay works at a time. The lock is a file of its own beside the database.

SQLite's write lock would do too, but then every writer of the backend would wait while the relay talks to
Redis. The kernel drops this lock when its holder dies. PostgreSQL needs none: its rows are locked one by one.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import Engine

from gong_views.outbox.errors import OutboxUnavailable, translated

SUFFIX = "-gong-views-relay"


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
            yield _locked(descriptor)
        finally:
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
