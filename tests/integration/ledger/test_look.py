"""A look at the counts without SQLAlchemy, and the ledger that is opened when a look does not do."""

import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gong_worker.ledger import Ledger, LedgerUnavailable, open_engine
from gong_worker.ledger import look as looking
from gong_worker.ledger.lazy import LazyLedger
from gong_worker.ledger.look import look
from tests.integration.ledger.support import at, claimed, deliver
from tests.integration.ledger.test_counters import one_of_each
from tests.support.servers import free_port


def url_of(ledger: Ledger) -> str:
    return ledger.engine.url.render_as_string(hide_password=False)


def unopened() -> Ledger:
    raise AssertionError("the ledger was opened")


def test_a_look_tells_what_the_ledger_tells(ledger: Ledger) -> None:
    """The counts are the ledger's own, of an empty one as well."""
    assert look(url_of(ledger)) == ledger.counts()
    one_of_each(ledger)
    assert look(url_of(ledger)) == ledger.counts()
    assert sum(ledger.counts().values()) > 9


def test_a_look_is_of_one_moment(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that is delivered between the two questions is counted once."""
    claim = claimed(ledger, "m1")
    before, read = ledger.counts(), looking.read_counts

    def interrupted(execute: Callable[[str], Iterable[Any]]) -> dict[str, int]:
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
    """An older, a newer or no schema: the ledger tells which, a look tells nothing."""
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


def test_a_ledger_that_does_not_answer_is_left_soon(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that somebody holds costs the patience of a look, and nothing stays behind on the server."""
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
        assert look(url_of(ledger)) is None
        if ledger.engine.dialect.name == "postgresql":
            waiting = (
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database"
            )
            waiting += " WHERE datname = current_database())"
            assert other.exec_driver_sql(waiting).scalar_one() == 0


def test_a_frozen_server_is_left_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes the connection and says nothing costs the patience of a look."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert look(f"postgresql://user@127.0.0.1:{server.getsockname()[1]}/ledger") is None


def test_counts_need_no_ledger_the_first_time(ledger: Ledger) -> None:
    """A command that asks once does not open it; whoever asks again does, once."""
    opened: list[Ledger] = []
    lazy = LazyLedger(url_of(ledger), lambda: opened.append(ledger) or ledger)  # type: ignore[func-returns-value]
    one_of_each(ledger)
    assert lazy.counts() == ledger.counts() and not opened
    with ThreadPoolExecutor(8) as pool:
        assert all(found is ledger for found in pool.map(lambda _: lazy.open(), range(50)))
    assert lazy.counts() == ledger.counts() and opened == [ledger]


def test_what_a_look_cannot_tell_the_ledger_tells(tmp_path: Path) -> None:
    """Why it is away is said in the ledger's own words, each time it is asked."""
    url = f"sqlite:///{tmp_path}/missing.db"
    lazy = LazyLedger(url, lambda: Ledger(open_engine(url)))
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match="there is no such file"):
            lazy.counts()
    lazy.close()


def test_an_empty_ledger_has_no_calls(ledger: Ledger) -> None:
    """The day's calls of a ledger that a look found empty are known; of any other they are counted."""
    empty = LazyLedger(url_of(ledger), unopened)
    empty.counts()
    assert list(empty.calls_per_minute(at(-60))) == []
    ledger.begin_attempt(claimed(ledger, "m1"), now=at(1))
    other = LazyLedger(url_of(ledger), lambda: ledger)
    other.counts()
    assert other.calls_per_minute(at(-60)) == ledger.calls_per_minute(at(-60)) != []
