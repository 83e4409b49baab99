"""The backend's side: the event shares the fate of the backend's transaction."""

import asyncio
import json
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from gong_views import InvalidViewEvent, ViewEvent, outbox
from tests.integration.outbox.support import Order, table_rows
from tests.support.views import view


def test_a_committed_transaction_has_its_event(engine: sa.Engine) -> None:
    """One row with the event's key, lane, wire form and time, beside the backend's own data."""
    before = datetime.now(UTC)
    with Session(engine) as session, session.begin():
        session.add(Order(name="first"))
        event_id = outbox.add(session, view(7), lane="bulk")
    [row] = table_rows(engine)
    assert event_id == row.event_id == "view-7"
    assert (row.reporting_system, row.lane) == ("content-hub", "bulk")
    assert (row.relayed_at, row.message_id, row.error) == (None, None, None)
    assert json.loads(row.payload) == ViewEvent.parse(view(7)).wire()
    created = row.created_at if row.created_at.tzinfo else row.created_at.replace(tzinfo=UTC)
    assert before <= created <= before + timedelta(minutes=1)


def test_a_rolled_back_transaction_has_none(engine: sa.Engine) -> None:
    """The event goes with the transaction, and with a savepoint that is rolled back."""
    with Session(engine) as session:
        outbox.add(session, view(1))
        session.rollback()
    with Session(engine) as session, session.begin():
        outbox.add(session, view(2))
        savepoint = session.begin_nested()
        outbox.add(session, view(3))
        savepoint.rollback()
    assert [row.event_id for row in table_rows(engine)] == ["view-2"]


def test_a_connection_and_a_scoped_session_do_as_well(engine: sa.Engine) -> None:
    """Core and Flask-style sessions take part in the same way; text and models are taken as mappings are."""
    with engine.begin() as connection:
        outbox.add(connection, json.dumps(view(1)))
    scoped = scoped_session(sessionmaker(engine))
    outbox.add(scoped, ViewEvent.parse(view(2)))
    scoped.commit()
    scoped.remove()
    assert [row.event_id for row in table_rows(engine)] == ["view-1", "view-2"]


def test_an_invalid_event_leaves_the_transaction_as_it_was(engine: sa.Engine) -> None:
    """InvalidViewEvent comes before any SQL, so the backend may go on and commit."""
    with Session(engine) as session, session.begin():
        session.add(Order(name="kept"))
        with pytest.raises(InvalidViewEvent) as caught:
            outbox.add(session, view(1, viewer={"emial": "no address"}))
        assert "no address" not in str(caught.value)
        with pytest.raises(ValueError, match="lane"):
            outbox.add(session, view(1), lane="urgent")  # type: ignore[arg-type]
    assert table_rows(engine) == []
    with Session(engine) as session:
        assert session.scalars(sa.select(Order.name)).all() == ["kept"]


def test_nothing_is_flushed_or_committed_for_the_backend(engine: sa.Engine) -> None:
    """add executes one INSERT; the backend's pending objects stay pending."""
    told: list[str] = []
    with Session(engine) as session:
        sa.event.listen(session, "before_flush", lambda *_: told.append("flush"))
        sa.event.listen(session, "after_commit", lambda *_: told.append("commit"))
        sa.event.listen(engine, "before_cursor_execute", lambda *args: told.append(args[2].split()[0]))
        order = Order(name="pending")
        session.add(order)
        outbox.add(session, view(1))
        assert told == ["INSERT"]
        assert order in session.new


def test_redis_is_not_contacted(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request does not wait for the queue and does not fail with it."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with engine.begin() as connection:
        outbox.add(connection, view(1))


def test_a_failed_insert_does_not_show_the_event(database_url: str) -> None:
    """The error of a database without the table names it, and holds nothing personal."""
    engine = sa.create_engine(database_url)  # without hide_parameters
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as caught:
        outbox.add(connection, view(1))
    assert "gong_views_outbox" in str(caught.value)
    assert "dana" not in str(caught.value)
    engine.dispose()


def test_any_text_can_be_stored(engine: sa.Engine) -> None:
    """What the contract accepts, both databases hold: the payload keeps every character."""
    event = ViewEvent.parse(view(1, eventId="a\0b", contentTitle="\0 \N{SNOWMAN} \U0001f600"))
    with engine.begin() as connection:
        outbox.add(connection, event)
    [row] = table_rows(engine)
    assert ViewEvent.parse(row.payload).wire() == event.wire()


def test_an_async_session_takes_part(postgres_server: Any) -> None:
    """add_async writes into the AsyncSession's transaction; add refuses one instead of losing the event."""
    url = postgres_server.new_database()

    async def main() -> None:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.run_sync(outbox.metadata.create_all)
            await outbox.add_async(connection, view(0))
        async with AsyncSession(engine) as session:
            assert await outbox.add_async(session, view(1), lane="bulk") == "view-1"
            await session.commit()
            await outbox.add_async(session, view(2))
            await session.rollback()
            with pytest.raises(TypeError, match="add_async"):
                outbox.add(session, view(3))  # type: ignore[arg-type]
        await engine.dispose()

    asyncio.run(main())
    engine = sa.create_engine(url)
    assert [(row.event_id, row.lane) for row in table_rows(engine)] == [
        ("view-0", "live"),
        ("view-1", "bulk"),
    ]
    engine.dispose()


def test_without_sqlalchemy_the_import_says_what_to_install() -> None:
    """The base install imports gong_views alone; gong_views.outbox names its extra."""
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "import gong_views\n"
        "assert not [name for name in sys.modules if name.startswith('gong_views.outbox')]\n"
        "try:\n    import gong_views.outbox\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'gong-views[outbox]'" in done.stdout
