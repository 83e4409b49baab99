"""Statements that several steps share: the row of an event, the end of a message, the letters of an event."""

from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gong_views import EventKey
from gong_worker.domain.states import Status
from gong_worker.ledger.columns import UtcDateTime, bounded
from gong_worker.ledger.models import Attempt, Base, DeadLetterRow, Delivery, Duplicate
from gong_worker.ledger.values import EventFacts, MessageRef

NO_CLAIM: Final[dict[str, None]] = {"claim_token": None, "lease_expires_at": None}


class DeliveryState(NamedTuple):
    """What a decision about an event needs of its row."""

    status: str
    claim_token: str | None
    lease_expires_at: datetime | None
    next_attempt_at: datetime | None
    updated_at: datetime
    message_id: str
    payload_sha256: str
    attempt_count: int
    first_seen_at: datetime


def insert_into(connection: sa.Connection, model: type[Base]) -> "postgresql.Insert | sqlite.Insert":
    """An INSERT that knows ON CONFLICT."""
    return postgresql.insert(model) if connection.dialect.name == "postgresql" else sqlite.insert(model)


def brought_by(message: MessageRef, facts: EventFacts) -> dict[str, Any]:
    """The columns that follow the message which carries the event."""
    return {
        "message_id": message.message_id,
        "lane": message.lane.value,
        "source": message.source,
        "enqueued_at": message.enqueued_at,
        "content_id": facts.content_id,
        "event_timestamp": facts.event_timestamp,
        "payload_sha256": facts.payload_sha256,
    }


def inserted(connection: sa.Connection, statement: sa.Insert) -> bool:
    """Run an INSERT of one row that may meet a conflict; whether it went in."""
    # Without this option the count of an INSERT is not kept on every driver.
    result = connection.execute(statement, execution_options={"preserve_rowcount": True})
    return result.rowcount == 1


def is_event(model: Any, key: EventKey) -> sa.ColumnElement[bool]:
    """The rows of one event."""
    return sa.and_(model.event_id == key.event_id, model.reporting_system == key.reporting_system)


def lock(connection: sa.Connection, key: EventKey) -> DeliveryState:
    """The event's row, held against every other writer until the transaction ends."""
    columns = [getattr(Delivery, name) for name in DeliveryState._fields]
    query = sa.select(*columns).where(is_event(Delivery, key)).with_for_update()
    return DeliveryState(*connection.execute(query).one())


def update_delivery(
    connection: sa.Connection, key: EventKey, state: DeliveryState, changes: dict[str, Any]
) -> None:
    """Change a locked row; the conditions say once more what the decision was based on."""
    done = connection.execute(
        sa.update(Delivery)
        .where(
            is_event(Delivery, key),
            Delivery.status == state.status,
            Delivery.status != Status.DELIVERED,
            Delivery.claim_token.is_not_distinct_from(state.claim_token),
        )
        .values(changes)
    )
    if done.rowcount != 1:
        raise AssertionError("the row changed under its lock")


def interrupt_open_attempts(connection: sa.Connection, key: EventKey) -> None:
    """Calls whose worker said nothing more: nobody knows whether they reached Gong."""
    connection.execute(
        sa.update(Attempt)
        .where(is_event(Attempt, key), Attempt.outcome.is_(None))
        .values(outcome="interrupted")
    )


def same_message(state: DeliveryState, message: MessageRef) -> bool:
    """Whether the event's row belongs to this message."""
    return state.message_id == bounded(message.message_id)


def has_letter(connection: sa.Connection, key: EventKey, message: MessageRef) -> bool:
    """Whether this message ended as a dead letter of this event."""
    query = sa.select(DeadLetterRow.id).where(
        is_event(DeadLetterRow, key), DeadLetterRow.message_id == message.message_id
    )
    return connection.execute(query.limit(1)).first() is not None


def is_duplicate(connection: sa.Connection, key: EventKey, message: MessageRef) -> bool:
    """Whether this message ended as a duplicate of this event."""
    query = sa.select(Duplicate.message_id).where(
        Duplicate.message_id == message.message_id, is_event(Duplicate, key)
    )
    return connection.execute(query).first() is not None


def add_duplicate(connection: sa.Connection, key: EventKey, message: MessageRef, now: datetime) -> None:
    """Count a message as a duplicate of its event, once however often it comes."""
    statement = (
        insert_into(connection, Duplicate)
        .values(
            message_id=message.message_id,
            reporting_system=key.reporting_system,
            event_id=key.event_id,
            lane=message.lane.value,
            source=message.source,
            enqueued_at=message.enqueued_at,
            seen_at=now,
        )
        .on_conflict_do_nothing(index_elements=["message_id"])
    )
    if inserted(connection, statement):
        connection.execute(
            sa.update(Delivery)
            .where(is_event(Delivery, key))
            .values(duplicate_count=Delivery.duplicate_count + 1)
        )


def drop_duplicate(connection: sa.Connection, key: EventKey, message: MessageRef) -> None:
    """A message counted as a duplicate proved to be the one that delivered."""
    deleted = connection.execute(
        sa.delete(Duplicate).where(Duplicate.message_id == message.message_id, is_event(Duplicate, key))
    )
    if deleted.rowcount == 1:
        connection.execute(
            sa.update(Delivery)
            .where(is_event(Delivery, key))
            .values(duplicate_count=Delivery.duplicate_count - 1)
        )


def latest_letter(connection: sa.Connection, key: EventKey) -> int | None:
    """The number of the event's last dead letter."""
    return connection.execute(
        sa.select(sa.func.max(DeadLetterRow.id)).where(is_event(DeadLetterRow, key))
    ).scalar()


def close_letters(
    connection: sa.Connection,
    key: EventKey | None,
    message: MessageRef,
    now: datetime,
    *,
    supersede: bool = True,
    died_with: dict[str, Any] | None = None,
) -> None:
    """The event was delivered, or died again with a letter of its own: what older letters hold can go.

    An open one of the event, or the one this message replays, is superseded, so that an event has one open
    letter at most; a replayed one loses its payload. `supersede=False` leaves the open ones alone.
    `died_with` is the payload of the new letter: a replayed letter of the event that holds another one, from
    before an operator's edit, keeps it until the event is delivered or given up.
    """
    letters: list[sa.ColumnElement[bool]] = []
    if key is not None:
        letters.append(is_event(DeadLetterRow, key))
    if message.replay_of is not None:
        letters.append(DeadLetterRow.id == message.replay_of)
    replayed = sa.and_(DeadLetterRow.resolution == "replayed", DeadLetterRow.payload.is_not(None))
    if died_with is not None:
        replayed &= sa.or_(DeadLetterRow.payload == died_with, DeadLetterRow.event_id.is_(None))
    # A message that could not be read may have been put back as it was, under its own id.
    put_back = sa.and_(DeadLetterRow.message_id == message.message_id, DeadLetterRow.event_id.is_(None))
    closed = [sa.and_(sa.or_(*letters, put_back), replayed)]
    if letters and supersede:
        closed.append(sa.and_(sa.or_(*letters), DeadLetterRow.resolution.is_(None)))
    connection.execute(
        sa.update(DeadLetterRow)
        .where(sa.or_(*closed))
        .values(
            payload=None,
            resolution=sa.func.coalesce(DeadLetterRow.resolution, "superseded"),
            resolved_at=sa.func.coalesce(DeadLetterRow.resolved_at, sa.literal(now, UtcDateTime)),
        )
    )
