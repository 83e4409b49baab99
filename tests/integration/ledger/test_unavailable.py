"""A ledger that cannot write says so in one way, soon, and without secrets."""

import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from gong_worker.ledger import Ledger, LedgerUnavailable, engine, migrate, open_engine, postgres
from gong_worker.ledger.engine import ledger_url
from tests.integration.ledger.support import ask, at, claimed, dead_letter_event, deliver, status
from tests.support.servers import Postgres, free_port


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> str:
    url = postgres_server.new_database()
    migrate(url)
    return url


@contextmanager
def opened(url: str) -> Iterator[Ledger]:
    ledger = Ledger(open_engine(url))
    try:
        yield ledger
    finally:
        ledger.close()


def test_sqlite_settings(sqlite_file: Path) -> None:
    """Write-ahead log, flushed at every commit, foreign keys on."""
    with opened(f"sqlite:///{sqlite_file}") as ledger, ledger.engine.connect() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in (
            "journal_mode", "synchronous", "foreign_keys", "busy_timeout",
        )]  # fmt: skip
    assert found == ["wal", 2, 1, 10_000]


def test_sqlite_locked(sqlite_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that hangs makes the others give up after the busy timeout; reading goes on."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.2)
    other = sqlite3.connect(sqlite_file, isolation_level=None)
    with opened(f"sqlite:///{sqlite_file}") as ledger:
        claimed(ledger, "m1")
        other.execute("BEGIN IMMEDIATE")
        for write in (lambda: ask(ledger, "m2"), ledger.ping):
            with pytest.raises(LedgerUnavailable, match="database is locked"):
                write()
        assert status(ledger) == "sending"
        other.execute("ROLLBACK")
        ledger.ping()
    other.close()


def test_sqlite_file_replaced(sqlite_file: Path) -> None:
    """A file that was removed, or another put in its place, is noticed: nothing is written where nobody looks."""
    with opened(f"sqlite:///{sqlite_file}") as ledger:
        claimed(ledger, "m1")
        backup = sqlite_file.with_name("backup.db")
        sqlite_file.rename(backup)
        for use in (lambda: ask(ledger, "m2"), ledger.ping, ledger.counts):
            with pytest.raises(LedgerUnavailable, match="no such file"):
                use()
        migrate(f"sqlite:///{sqlite_file}")
        assert ledger.counts()["sending"] == 0
        claimed(ledger, "m2")
    with opened(f"sqlite:///{sqlite_file}") as ledger:
        assert status(ledger) == "sending"


def test_sqlite_disk_full(sqlite_file: Path) -> None:
    """What does not fit is not written in part, and the ledger works again when there is room."""
    with opened(f"sqlite:///{sqlite_file}") as ledger:
        claim = claimed(ledger, "m1")
        number = ledger.begin_attempt(claim, now=at(1))
        limits = iter([1, 1_000_000])

        @sa.event.listens_for(ledger.engine, "checkout")
        def _limit(connection: sqlite3.Connection, *_: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {next(limits)}")

        huge = {"big": "x" * 200_000}
        for expected in ("full", None):
            if expected:
                with pytest.raises(LedgerUnavailable, match=expected):
                    dead_letter_event(ledger, claim, 2, number=number, payload=huge)
            else:
                dead_letter_event(ledger, claim, 2, number=number, payload=huge)
        sa.event.remove(ledger.engine, "checkout", _limit)
        assert len(ledger.list_dead_letters()) == 1


def test_sqlite_read_only(sqlite_file: Path) -> None:
    """A file that cannot be written is unavailable to writers."""
    with opened(f"sqlite:///file:{sqlite_file}?mode=ro&uri=true") as ledger:
        for write in (lambda: ask(ledger, "m1"), ledger.ping):
            with pytest.raises(LedgerUnavailable, match="readonly"):
                write()
        assert ledger.counts()["sending"] == 0


def test_no_database_file(tmp_path: Path) -> None:
    """A folder that is not there is unavailable, not a crash."""
    with opened(f"sqlite:///{tmp_path}/missing/ledger.db") as ledger, pytest.raises(LedgerUnavailable):
        ledger.ping()


def test_postgres_down() -> None:
    """A refused connection is told without the password."""
    url = f"postgresql://someone:hunter2@127.0.0.1:{free_port()}/ledger"
    with opened(url) as ledger, pytest.raises(LedgerUnavailable, match="refused") as caught:
        ledger.ping()
    assert "hunter2" not in str(caught.value) and caught.value.__suppress_context__


def test_postgres_read_only(postgres_url: str) -> None:
    """A replica, or a database set to read-only, is unavailable to writers."""
    with opened(postgres_url) as ledger:
        with ledger.engine.connect() as connection:
            name = connection.engine.url.database
            connection.execute(sa.text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
            connection.commit()
        ledger.engine.dispose()
        for write in (lambda: ask(ledger, "m1"), ledger.ping):
            with pytest.raises(LedgerUnavailable, match="read-only"):
                write()


def test_postgres_connections_that_broke(postgres_url: str) -> None:
    """After a restart of the server the next call works, without an error for each old connection."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with opened(postgres_url) as ledger, sa.create_engine(ledger_url(postgres_url)).connect() as other:
        claim = claimed(ledger, "m1")
        for step in (
            lambda: ledger.begin_attempt(claim, now=at(1)),
            lambda: deliver(ledger, claim, 1, number=1),
            lambda: ask(ledger, "m2", 2),
            lambda: ask(ledger, "m1", 3),
        ):
            other.execute(sa.text(f"SELECT pg_terminate_backend(pid) {others}"))
            assert step()


def test_postgres_keeps_its_connections(postgres_url: str) -> None:
    """Threads that write at once, as a worker's do, open a connection each and no further ones later."""
    opened_count = 0
    with opened(postgres_url) as ledger, ThreadPoolExecutor(12) as pool:

        @sa.event.listens_for(ledger.engine, "connect")
        def _count(*_: object) -> None:
            nonlocal opened_count
            opened_count += 1

        together = threading.Barrier(12)
        for _ in range(3):
            list(pool.map(lambda _: hold_one(ledger, together), range(12)))
    assert opened_count == 12


def hold_one(ledger: Ledger, together: threading.Barrier) -> None:
    """A connection in use while the others are."""
    with ledger.engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
        together.wait(30)


def test_postgres_row_held_by_another(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that is never released ends in an error, and nothing was written."""
    monkeypatch.setattr(postgres, "_SESSION", "SET lock_timeout = '200ms'")
    with opened(postgres_url) as ledger:
        claim = claimed(ledger, "m1")
        with sa.create_engine(ledger_url(postgres_url)).connect() as other:
            other.execute(sa.text("SELECT * FROM deliveries FOR UPDATE"))
            with pytest.raises(LedgerUnavailable, match="lock timeout"):
                dead_letter_event(ledger, claim, 1)
        assert dead_letter_event(ledger, claim, 1)


def test_postgres_frozen(postgres_url: str) -> None:
    """A server that is there and answers nothing does not hang a worker."""
    frozen = Ledger(
        postgres.open_postgres(ledger_url(postgres_url), pool_timeout=5, answer_timeout_seconds=0.5)
    )
    with frozen.engine.connect() as connection:
        pid = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    os.kill(pid, signal.SIGSTOP)
    try:
        # The pool finds its connection dead and opens another one.
        claimed(frozen, "m1")
        with frozen.engine.connect() as connection:
            other = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
            os.kill(other, signal.SIGSTOP)
            try:
                with pytest.raises(sa.exc.OperationalError, match="no answer within"):
                    connection.execute(sa.text("SELECT 1"))
            finally:
                os.kill(other, signal.SIGCONT)
    finally:
        os.kill(pid, signal.SIGCONT)
        frozen.close()


def test_postgres_session(postgres_url: str) -> None:
    """UTC whatever the server's zone, and no statement without an end; one that reads the whole ledger has its time."""
    names = ("TimeZone", "lock_timeout", "statement_timeout", "synchronous_commit")
    for patient, longest in ((False, "30s"), (True, "1h")):
        opened_so = closing(Ledger(open_engine(postgres_url, patient=patient)))
        with opened_so as ledger, ledger.engine.connect() as connection:
            shown = [connection.execute(sa.text(f"SHOW {name}")).scalar() for name in names]
        assert shown == ["UTC", "5s", longest, "on"]
