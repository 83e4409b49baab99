"""A local SQLite database for events that Redis did not take: on disk before `append` returns.

Several processes and threads may share it. Taking is at-least-once: a drain leases the spool, pushes the oldest
events and deletes them; a crash in between pushes them again, and the event key makes one delivery of the two.

It holds people's names and e-mail addresses: mode 0600, in a folder of mode 0700 where that is made here, and what
has been deleted is overwritten.
"""

import errno
import json
import logging
import os
import sqlite3
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gong_views.commands import Item
from gong_views.jsonl_spool import JsonlSpool, Row
from gong_views.names import Lane
from gong_views.private_files import make_private_folder

log = logging.getLogger(__name__)

BUSY_SECONDS: Final = 5.0
"""The longest wait for another process that is writing."""
_VERSION: Final = 1
_PAGE: Final = 500
_SCHEMA: Final = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,   -- the order in which they were spooled
    lane TEXT NOT NULL,
    event TEXT NOT NULL,                    -- Gong's JSON
    source TEXT,
    replay_of INTEGER,
    unreadable INTEGER NOT NULL DEFAULT 0   -- 1: left alone, for a person to look at
);
CREATE TABLE IF NOT EXISTS lease (id INTEGER PRIMARY KEY CHECK (id = 1), token TEXT NOT NULL, until REAL NOT NULL);
PRAGMA user_version = 1;
COMMIT;
"""


@dataclass(frozen=True, slots=True)
class SpooledBatch:
    """Some spooled events, by lane, leased to one drain."""

    lanes: dict[Lane, list[Item]]
    ids: list[int]
    token: str

    @property
    def size(self) -> int:
        """How many events."""
        return len(self.ids)


class Spool:
    """The spool at `path`; made, with its folder, when first needed. Every method may raise OSError.

    `jsonl_path` is where version 0.1 spooled to; what is there is moved into the database first.
    """

    def __init__(self, path: Path, jsonl_path: Path | None = None) -> None:
        self.path = path
        self._jsonl = JsonlSpool(jsonl_path) if jsonl_path is not None else None
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # device and inode of the open database
        _spools.add(self)

    def append(self, lane: Lane, items: Sequence[Item]) -> None:
        """Write the events and wait until the disk has them; all of them or, on OSError, none."""
        self._move_jsonl()
        self._insert(
            (lane.value, json.dumps(item.wire, ensure_ascii=False), item.source, item.replay_of, 0)
            for item in items
        )

    def has_events(self) -> bool:
        """Whether there is anything to drain."""
        if self._jsonl is not None and self._jsonl.exists():
            return True
        if not self.path.exists():
            return False
        with self._database() as database:
            return _any(database)

    def take(self, limit: int, lease_seconds: float) -> SpooledBatch | None:
        """Up to `limit` of the oldest events, to be given to `delete` or `give_back`.

        None when there is nothing, or while another drain has the lease; a lease that is not ended lapses.
        """
        self._move_jsonl()
        if not self.path.exists():
            return None
        token = uuid.uuid4().hex
        with self._database() as database, database:
            database.execute("BEGIN IMMEDIATE")
            if not _lease(database, token, lease_seconds):
                return None
            batch = _oldest(database, limit, token)
            if not batch.ids:
                _end_lease(database, token)
                return None
            return batch

    def delete(self, batch: SpooledBatch) -> None:
        """The events of the batch are on the queue: delete them and end the lease."""
        with self._database() as database:
            with database:
                database.execute("BEGIN IMMEDIATE")
                database.executemany("DELETE FROM events WHERE id = ?", ((number,) for number in batch.ids))
                _end_lease(database, batch.token)
            if not _any(database):
                with suppress(sqlite3.Error):  # e.g. another process is reading; the next one does it
                    database.execute("VACUUM")
                    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def give_back(self, batch: SpooledBatch) -> None:
        """The events of the batch could not be pushed: end the lease and keep them."""
        with self._database() as database:
            _end_lease(database, batch.token)

    @contextmanager
    def taking(self, limit: int, lease_seconds: float) -> Iterator[SpooledBatch | None]:
        """`take`; leaving the block deletes the events, an exception gives them back."""
        batch = self.take(limit, lease_seconds)
        try:
            yield batch
        except BaseException:
            if batch is not None:
                with suppress(OSError):  # the lease lapses
                    self.give_back(batch)
            raise
        if batch is not None:
            self.delete(batch)

    def find(self, wanted: Callable[[str], bool]) -> list[tuple[int, str]]:
        """The number and the JSON text of each spooled event that `wanted` says yes to, readable or not."""
        self._move_jsonl()
        if not self.path.exists():
            return []
        found: list[tuple[int, str]] = []
        after = 0
        while True:
            with self._database() as database:
                page = database.execute(
                    "SELECT id, event FROM events WHERE id > ? ORDER BY id LIMIT ?", (after, _PAGE)
                ).fetchall()
            if not page:
                return found
            found += [(number, event) for number, event in page if wanted(event)]
            after = page[-1][0]

    def erase(self, ids: Iterable[int]) -> int:
        """Delete these events, overwritten on the disk; returns how many. A drain may have pushed one already."""
        with self._database() as database:
            with database:
                database.execute("BEGIN IMMEDIATE")
                deleted = database.executemany("DELETE FROM events WHERE id = ?", ((one,) for one in ids))
            with suppress(sqlite3.Error):  # e.g. another process is reading
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return deleted.rowcount

    def close(self) -> None:
        """Close the database; the next call opens it again."""
        with _lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _move_jsonl(self) -> None:
        if self._jsonl is not None and self._jsonl.exists():
            self._jsonl.move(self._insert)

    def _insert(self, rows: Iterable[Row]) -> None:
        with self._database() as database, database:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT INTO events (lane, event, source, replay_of, unreadable) VALUES (?, ?, ?, ?, ?)", rows
            )

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """The open database, for one thread at a time; SQLite's errors become OSError."""
        with _lock:
            try:
                yield self._open()
            except sqlite3.Error as error:
                self.close()
                raise _os_error(error) from error

    def _open(self) -> sqlite3.Connection:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            found = None
        if self._connection is not None:
            if found is not None and self._file == (found.st_dev, found.st_ino):
                return self._connection
            self.close()  # the file was deleted or replaced: what went there now would be lost
        if found is None:
            make_private_folder(self.path.parent)
            with suppress(FileExistsError):  # made by another process in between
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                os.fchmod(descriptor, 0o600)  # whatever the umask; SQLite makes its other files alike
                os.close(descriptor)
            found = self.path.stat()
        self._connection = _connect(self.path)
        self._file = (found.st_dev, found.st_ino)
        return self._connection


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _wait_if_busy(lambda: database.execute("PRAGMA journal_mode = WAL"))
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")
        [version] = database.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise OSError(errno.EINVAL, "a newer release of gong-views wrote it: upgrade this one")
        if version < _VERSION:
            database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


def _wait_if_busy(change: Callable[[], object]) -> None:
    """SQLite does not wait by itself while several processes switch a new file to WAL."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            change()
            return
        except sqlite3.OperationalError as error:
            if not _name(error).startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _any(database: sqlite3.Connection) -> bool:
    found = database.execute("SELECT 1 FROM events WHERE NOT unreadable LIMIT 1")
    return found.fetchone() is not None


def _lease(database: sqlite3.Connection, token: str, seconds: float) -> bool:
    """Take the lease unless another has it. A lease that ends later than one can is from a clock put back."""
    now = time.time()
    held = database.execute("SELECT until FROM lease").fetchone()
    if held is not None and now < held[0] <= now + seconds:
        return False
    database.execute(
        "INSERT OR REPLACE INTO lease (id, token, until) VALUES (1, ?, ?)", (token, now + seconds)
    )
    return True


def _end_lease(database: sqlite3.Connection, token: str) -> None:
    database.execute("DELETE FROM lease WHERE token = ?", (token,))


def _oldest(database: sqlite3.Connection, limit: int, token: str) -> SpooledBatch:
    """The oldest events; one that cannot be read is marked and left alone."""
    batch = SpooledBatch({}, [], token)
    unreadable = []
    for number, lane, event, source, replay_of in database.execute(
        "SELECT id, lane, event, source, replay_of FROM events WHERE NOT unreadable ORDER BY id LIMIT ?",
        (limit,),
    ):
        try:
            wire = json.loads(event)
            item = Item(wire["eventId"], wire, source, replay_of)
            batch.lanes.setdefault(Lane(lane), []).append(item)
        except (ValueError, TypeError, KeyError, RecursionError):
            unreadable.append((number,))
        else:
            batch.ids.append(number)
    if unreadable:
        database.executemany("UPDATE events SET unreadable = 1 WHERE id = ?", unreadable)
        log.error("%d spooled events cannot be read", len(unreadable), extra={"action": "spool_unreadable"})
    return batch


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", type(error).__name__)


def _os_error(error: sqlite3.Error) -> OSError:
    match _name(error).split("_")[:2]:
        case ["SQLITE", "FULL"]:
            return OSError(errno.ENOSPC, "the disk is full")
        case ["SQLITE", "BUSY"]:
            return OSError(errno.EBUSY, f"another process has held it for {BUSY_SECONDS:g} s")
        case ["SQLITE", "NOTADB"]:
            return OSError(
                errno.EINVAL, "it is no SQLite database; a spool file of 0.1 is drained if named *.jsonl"
            )
        case _:
            return OSError(errno.EIO, f"{_name(error)}, see https://sqlite.org/rescode.html")


# SQLite's locks do not survive a fork, and a child that inherits an open database can damage it: while a process
# forks, none is open. https://sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_
_spools: "weakref.WeakSet[Spool]" = weakref.WeakSet()
_lock = threading.RLock()


def _before_fork() -> None:
    _lock.acquire()
    for spool in list(_spools):
        spool.close()


os.register_at_fork(before=_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release)
