"""The backend's side: one INSERT in its own transaction."""

import json
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session, scoped_session

from gong_views.commands import Event, to_item, to_lane
from gong_views.names import Lane
from gong_views.options import LaneName
from gong_views.outbox.table import table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession


def add(
    session: Session | scoped_session[Any] | Connection, event: Event, lane: Lane | LaneName = "live"
) -> str:
    """Write the event into the outbox, in the transaction that `session` is in; returns the event's id.

    It is sent if and only if that transaction commits. One INSERT is executed, at once; nothing is flushed,
    nothing is committed, Redis is not contacted. The event is validated first.

    Raises InvalidViewEvent (nothing was executed then: the transaction is as it was), ValueError for another
    lane, and what SQLAlchemy raises when the INSERT fails.
    """
    if not isinstance(session, Session | scoped_session | Connection):
        # An AsyncSession would give back a coroutine that nobody awaits: the event would be lost in silence.
        raise TypeError(
            f"add takes a Session or a Connection, not {type(session).__name__}; "
            "with an AsyncSession or AsyncConnection use `await outbox.add_async(...)`"
        )
    lane = to_lane(lane)
    item = to_item(event)
    row = {
        "reporting_system": _storable(item.wire["reportingSystem"]),
        "event_id": _storable(item.event_id),
        "lane": lane.value,
        # Escaped to ASCII, so that any encoding of the database holds it.
        "payload": json.dumps(item.wire, separators=(",", ":")),
        "created_at": datetime.now(UTC),
    }
    # From SQLAlchemy 2.1 on, execute flushes first: that may fail for reasons that are none of ours.
    quiet: AbstractContextManager[object] = (
        nullcontext() if isinstance(session, Connection) else session.no_autoflush
    )
    try:
        with quiet:
            session.execute(sa.insert(table).inline(), row)
    except exc.StatementError as error:
        error.hide_parameters = True  # they are personal data, and this error is going to be logged
        raise
    return item.event_id


async def add_async(
    session: "AsyncSession | AsyncConnection", event: Event, lane: Lane | LaneName = "live"
) -> str:
    """As `add`, for an AsyncSession or AsyncConnection."""
    return await session.run_sync(add, event, lane)


def _storable(text: str) -> str:
    """PostgreSQL's text holds every character but NUL. The payload, where it is escaped, keeps it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
