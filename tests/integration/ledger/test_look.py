"""A look at the counts without SQLAlchemy, and the ledger that is opened when a look does not do."""

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from gong_worker.ledger import Ledger, LedgerUnavailable, open_engine
from gong_worker.ledger import look as looking
from gong_worker.ledger.count_queries import Execute
from gong_worker.ledger.lazy import LazyLedger
from gong_worker.ledger.look import look
from tests.integration.ledger.support import at, claimed, deliver
from tests.integration.ledger.test_counters import one_of_each
from tests.support.servers import free_port


def url_of(ledger: Ledger) -> str:
    return ledger.engine.url.render_as_string(hide_password=False)


def unopened(*_: object) -> Any:
    raise AssertionError("not wanted")


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """The block takes no longer."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def test_a_look_tells_what_the_ledger_tells(ledger: Ledger) -> None:
    """The counts are the ledger's own, of an empty one as well."""
    assert look(url_of(ledger)) == ledger.counts()
    one_of_each(ledger)
    assert look(url_of(ledger)) == {
        "sending": 1, "waiting": 1, "delivered": 5, "dead": 2, "duplicates": 1, "dead_letters_open": 2,
    }  # fmt: skip
    assert look(url_of(ledger)) == ledger.counts()


def test_a_look_leaves_nothing_open(migrated_file: Path, tmp_path: Path) -> None:
    """A file with any name is closed again, and is alone in its folder as before."""
    path = Path(shutil.copy(migrated_file, tmp_path / "a ledger #1.db"))
    assert look(f"sqlite:///{path}") is not None
    assert str(path) not in [opened.path for opened in psutil.Process().open_files()]
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_look_is_of_one_moment(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that is delivered between the two questions is counted once."""
    claim = claimed(ledger, "m1")
    before, read = ledger.counts(), looking.read_counts

    def interrupted(execute: Execute) -> dict[str, int]:
        def and_then(text: str) -> list[Any]:
            found = list(execute(text))
            if "deliveries" in text:
                deliver(ledger, claim, 1)
            return found

        return read(and_then)

    monkeypatch.setattr(looking, "read_counts", interrupted)
    assert look(url_of(ledger)) == before
    assert ledger.counts() == {**before, "sending": 0, "delivered": 1}


@pytest.mark.parametrize("revision", ["0001", "9999", None])
def test_another_schema_is_not_read(ledger: Ledger, revision: str | None) -> None:
    """Of an older, a newer or no schema a look tells nothing."""
    with ledger.engine.begin() as connection:
        (head,) = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars()
        text = (
            "DELETE FROM alembic_version"
            if revision is None
            else "UPDATE alembic_version SET version_num = :to"
        )
        connection.execute(sa.text(text), {"to": revision})
    try:
        assert look(url_of(ledger)) is None
    finally:
        with ledger.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM alembic_version"))
            connection.execute(sa.text("INSERT INTO alembic_version VALUES (:head)"), {"head": head})


def test_what_is_no_ledger_is_not_read(tmp_path: Path) -> None:
    """No file, which is not made; a file of something else; a folder; no server; a name that cannot be one."""
    (tmp_path / "empty.db").touch()
    (tmp_path / "text.db").write_text("what somebody wrote down " * 100)
    for name in ("missing.db", "empty.db", "text.db", "", "nul\x00.db", "x" * 300):
        assert look(f"sqlite:///{tmp_path}/{name}") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.db", "text.db"]
    assert look(f"postgresql://user:secret@127.0.0.1:{free_port()}/ledger") is None
    assert look("postgresql:///ledger?host=/nowhere&sslmode=nonsense") is None
    assert look("mysql://host/ledger") is None


def test_a_lock_is_not_waited_for_long(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that somebody holds costs the patience of a look, and nothing stays behind on the server."""
    monkeypatch.setattr(looking, "PATIENCE_SECONDS", 1)
    with ExitStack() as stack:
        if ledger.engine.dialect.name == "sqlite":
            ledger.close()
            other = stack.enter_context(sa.create_engine(url_of(ledger)).connect())
            other.exec_driver_sql("PRAGMA locking_mode = EXCLUSIVE")
            other.exec_driver_sql("BEGIN EXCLUSIVE")
        else:
            other = stack.enter_context(ledger.engine.begin())
            other.exec_driver_sql("LOCK TABLE message_counts IN ACCESS EXCLUSIVE MODE")
        stack.enter_context(at_most(4))
        assert look(url_of(ledger)) is None
        if ledger.engine.dialect.name == "postgresql":
            waiting = (
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database"
            )
            waiting += " WHERE datname = current_database())"
            assert other.exec_driver_sql(waiting).scalar_one() == 0


def test_a_server_that_says_nothing_is_left_soon() -> None:
    """One that takes the connection and no more costs the patience of a look, not that of the ledger."""
    with socket.create_server(("127.0.0.1", 0)) as server, at_most(4.5):
        assert look(f"postgresql://user@127.0.0.1:{server.getsockname()[1]}/ledger") is None


def test_a_server_that_freezes_is_left_soon(migrated_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has answered and says nothing more, while its kernel keeps the connection alive, is left as well."""
    name, read, frozen = f"look-{free_port()}", looking.read_counts, list[int]()
    engine = open_engine(migrated_database)

    def freeze(execute: Execute) -> dict[str, int]:
        with engine.connect() as connection:
            pid = "SELECT pid FROM pg_stat_activity WHERE application_name = :name"
            frozen.append(connection.execute(sa.text(pid), {"name": name}).scalar_one())
        os.kill(frozen[0], signal.SIGSTOP)
        return read(execute)

    monkeypatch.setenv("PGAPPNAME", name)
    monkeypatch.setattr(looking, "PATIENCE_SECONDS", 1)
    monkeypatch.setattr(looking, "read_counts", freeze)
    try:
        with at_most(20):
            assert look(migrated_database) is None
        assert frozen
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        engine.dispose()


def test_counts_need_no_ledger_the_first_time(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that asks once does not open it; whoever asks again does, and looks no more."""
    opened: list[Ledger] = []
    lazy = LazyLedger(url_of(ledger), lambda: opened.append(ledger) or ledger)  # type: ignore[func-returns-value]
    one_of_each(ledger)
    assert lazy.counts() == ledger.counts() and not opened
    assert lazy.counts() == ledger.counts() and opened == [ledger]
    monkeypatch.setattr("gong_worker.ledger.lazy.look", unopened)
    other = LazyLedger(url_of(ledger), lambda: ledger)
    other.open()
    assert other.counts() == ledger.counts()


def test_a_ledger_is_opened_and_closed_once(ledger: Ledger) -> None:
    """A thread that needs it while another opens it waits, and has the same; what nobody opened needs no closing."""
    second: list[threading.Thread] = []

    def slowly() -> Ledger:
        second.append(threading.Thread(target=lambda: found.append(lazy.open())))
        second[-1].start()
        second[-1].join(0.3)
        assert second[-1].is_alive()
        return ledger

    found: list[Ledger] = []
    lazy = LazyLedger(url_of(ledger), slowly)
    lazy.close()
    found.append(lazy.open())
    second[0].join()
    assert found == [ledger, ledger] and len(second) == 1
    ledger.counts()
    lazy.close()
    assert ledger.engine.pool.checkedin() == 0  # type: ignore[attr-defined]


def test_what_a_look_cannot_tell_the_ledger_tells(tmp_path: Path) -> None:
    """Why it is away is said in the ledger's own words, each time it is asked."""
    url = f"sqlite:///{tmp_path}/missing.db"
    lazy = LazyLedger(url, lambda: Ledger(open_engine(url)))
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match="there is no such file"):
            lazy.counts()
    lazy.close()


def test_an_empty_ledger_has_no_calls(ledger: Ledger) -> None:
    """Of a ledger that a look found empty the calls are known; of others, and of an open one, they are counted."""
    empty = LazyLedger(url_of(ledger), unopened)
    empty.counts()
    assert list(empty.calls_per_minute(at(-60))) == []
    since = LazyLedger(url_of(ledger), lambda: ledger)
    since.counts()
    since.open()
    ledger.begin_attempt(claimed(ledger, "m1"), now=at(1))
    other = LazyLedger(url_of(ledger), lambda: ledger)
    other.counts()
    for lazy in (since, other):
        assert lazy.calls_per_minute(at(-60)) == ledger.calls_per_minute(at(-60)) != []
    assert other.calls_per_minute(at(-60), open_until=at(0)) == []
