"""The relay's SQL: take waiting rows, mark what became of them, read old ones again, prune."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from gong_views.commands import to_lane
from gong_views.event import ViewEvent
from gong_views.outbox.errors import OutboxError
from gong_views.outbox.table import table

DIALECTS: Final = ("sqlite", "postgresql")
_c = table.c
_SELECT = sa.select(_c.id, _c.lane, _c.payload).order_by(_c.id)
_WAITING = (_c.relayed_at.is_(None), _c.error.is_(None))
# A created_at that the database filled in itself may be cut to the second (SQLite).
_CUT: Final = timedelta(seconds=1)


class Row(NamedTuple):
    """One row of the outbox, as the relay needs it. On SQLite a payload may be of any type."""

    id: int
    lane: Any
    payload: Any


class Mark(NamedTuple):
    """What became of a row: the message it is now, or why it cannot be one."""

    row_id: int
    message_id: str | None
    error: str | None


def connect(engine: Engine) -> Connection:
    """A connection whose next statement sees what is committed by then, whatever the engine's default."""
    if engine.dialect.name not in DIALECTS:
        raise OutboxError(f"the outbox runs on SQLite and PostgreSQL, not on {engine.dialect.name}")
    connection = engine.connect()
    if engine.dialect.name == "postgresql":
        connection = connection.execution_options(isolation_level="READ COMMITTED")
    return connection


def take(connection: Connection, limit: int) -> Sequence[Row]:
    """The oldest waiting rows; on PostgreSQL locked until the transaction ends, passing over locked ones."""
    query = _SELECT.where(*_WAITING).limit(limit).with_for_update(skip_locked=True)
    return [Row(*row) for row in connection.execute(query)]


def mark(connection: Connection, marks: Sequence[Mark]) -> None:
    """Note what became of rows. A row that another relay has marked meanwhile stays as it is."""
    now = datetime.now(UTC)
    this_row = (_c.id == sa.bindparam("row_id"), _c.relayed_at.is_(None))
    sent = [{"row_id": m.row_id, "message": m.message_id} for m in marks if m.error is None]
    invalid = [{"row_id": m.row_id, "why": m.error} for m in marks if m.error is not None]
    if sent:
        values = {"relayed_at": now, "message_id": sa.bindparam("message")}
        connection.execute(sa.update(table).where(*this_row).values(values), sent)
    if invalid:
        connection.execute(sa.update(table).where(*this_row).values(error=sa.bindparam("why")), invalid)


def newest_id(connection: Connection) -> int:
    """The highest id there is; 0 without rows."""
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(_c.id), 0))).scalar_one())


def created_since(
    connection: Connection, since: datetime, *, after: int, up_to: int, limit: int
) -> Sequence[Row]:
    """A page of the rows created since then, relayed or not, without those that are no valid event."""
    query = _SELECT.where(
        _c.created_at >= since.astimezone(UTC) - _CUT, _c.error.is_(None), _c.id > after, _c.id <= up_to
    ).limit(limit)
    return [Row(*row) for row in connection.execute(query)]


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Delete some of the rows that were relayed before then; returns how many."""
    # created_at is never later than relayed_at, and has the index. Looked up first: a DELETE that finds
    # nothing would still wait for SQLite's write lock.
    old = (
        sa.select(_c.id)
        .where(_c.relayed_at < before, _c.created_at < before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = connection.execute(old).scalars().all()
    if found:
        connection.execute(sa.delete(table).where(_c.id.in_(found)))
    return len(found)


def read(row: Row) -> ViewEvent | str:
    """The row's event, or why it has none, without anything of the payload."""
    try:
        to_lane(row.lane)
    except ValueError as error:
        return str(error)
    if not isinstance(row.payload, str):
        return "the payload is no text"
    try:
        return ViewEvent.parse(row.payload)
    except ValueError as error:
        return str(error)
    except Exception as error:  # a row must never stop the others, whatever was written into it
        return f"the payload cannot be read: {type(error).__name__}"
