"""Statements that several operations share: the row of an event, the end of a message, the letters of an event.

Every statement is built once, its parameters bound by name: building one costs more than running it.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql, sqlite

from gong_views import EventKey
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import DeadLetterResolution, Move, Status, status_after
from gong_worker.ledger.columns import UtcDateTime, bounded
from gong_worker.ledger.models import Attempt, DeadLetterRow, Delivery, Duplicate
from gong_worker.ledger.values import EventFacts, MessageRef

NO_CLAIM: Final[dict[str, None]] = {"claim_token": None, "lease_expires_at": None}


class DeliveryState(NamedTuple):
    """What a decision about an event needs of its row."""

    status: Status
    claim_token: str | None
    lease_expires_at: datetime | None
    next_attempt_at: datetime | None
    updated_at: datetime
    message_id: str
    payload_sha256: str
    attempt_count: int
    first_seen_at: datetime


def on_each(model: Any, build: Callable[[Any], Any]) -> dict[str, Any]:
    """An INSERT that knows ON CONFLICT, by dialect."""
    return {"postgresql": build(postgresql.insert(model)), "sqlite": build(sqlite.insert(model))}


def inserted(connection: sa.Connection, insert: dict[str, Any], values: dict[str, Any]) -> bool:
    """Run an INSERT of one row that may meet a conflict; whether it went in."""
    # Without this option the count of an INSERT is not kept on every driver.
    options = {"preserve_rowcount": True}
    result = connection.execute(insert[connection.dialect.name], values, execution_options=options)
    return result.rowcount == 1


def is_event(model: Any) -> sa.ColumnElement[bool]:
    """The rows of the event that `of` names."""
    return sa.and_(
        model.event_id == bindparam("key_event"), model.reporting_system == bindparam("key_system")
    )


def of(key: EventKey) -> dict[str, str]:
    """The parameters of `is_event`."""
    return {"key_event": key.event_id, "key_system": key.reporting_system}


def brought_by(message: MessageRef, facts: EventFacts) -> dict[str, Any]:
    """The columns that follow the message which carries the event."""
    return {
        "message_id": message.message_id,
        "lane": message.lane,
        "source": message.source,
        "enqueued_at": message.enqueued_at,
        "content_id": facts.content_id,
        "event_timestamp": facts.event_timestamp,
        "payload_sha256": facts.payload_sha256,
    }


_LOCK: Final = (
    sa.select(*(getattr(Delivery, name) for name in DeliveryState._fields))
    .where(is_event(Delivery))
    .with_for_update()
)


def lock(connection: sa.Connection, key: EventKey) -> DeliveryState:
    """The event's row, held against every other writer until the transaction ends."""
    return DeliveryState(*connection.execute(_LOCK, of(key)).one())


@cache
def _moving(columns: tuple[str, ...]) -> sa.Update:
    return (
        sa.update(Delivery)
        .where(
            is_event(Delivery),
            Delivery.status == bindparam("was_status"),
            Delivery.claim_token.is_not_distinct_from(bindparam("was_token")),
        )
        .values({column: bindparam(f"new_{column}") for column in columns})
    )


def update_delivery(
    connection: sa.Connection, key: EventKey, state: DeliveryState, changes: dict[str, Any], *, move: Move
) -> None:
    """Change a locked row and its status, to which the transition table says; raises ForbiddenMove.

    The conditions say once more what the decision was based on.
    """
    changes = {"status": status_after(state.status, move), **changes}
    parameters = {f"new_{column}": value for column, value in changes.items()}
    was = {"was_status": state.status, "was_token": state.claim_token}
    done = connection.execute(_moving(tuple(changes)), {**of(key), **was, **parameters})
    if done.rowcount != 1:
        raise AssertionError("the row changed under its lock")


_INTERRUPT: Final = (
    sa.update(Attempt)
    .where(is_event(Attempt), Attempt.outcome.is_(None))
    .values(outcome=AttemptOutcome.INTERRUPTED)
)


def interrupt_open_attempts(connection: sa.Connection, key: EventKey) -> None:
    """Calls whose worker said nothing more: nobody knows whether they reached Gong."""
    connection.execute(_INTERRUPT, of(key))


def same_message(state: DeliveryState, message: MessageRef) -> bool:
    """Whether the event's row belongs to this message."""
    return state.message_id == bounded(message.message_id)


_LETTER_OF: Final = (
    sa.select(DeadLetterRow.id)
    .where(is_event(DeadLetterRow), DeadLetterRow.message_id == bindparam("message"))
    .limit(1)
)
_DUPLICATE_OF: Final = sa.select(Duplicate.message_id).where(
    is_event(Duplicate), Duplicate.message_id == bindparam("message")
)


def has_letter(connection: sa.Connection, key: EventKey, message: MessageRef) -> bool:
    """Whether this message ended as a dead letter of this event."""
    return connection.execute(_LETTER_OF, {**of(key), "message": message.message_id}).first() is not None


def is_duplicate(connection: sa.Connection, key: EventKey, message: MessageRef) -> bool:
    """Whether this message ended as a duplicate of this event."""
    return connection.execute(_DUPLICATE_OF, {**of(key), "message": message.message_id}).first() is not None


_ADD_DUPLICATE: Final = on_each(
    Duplicate, lambda insert: insert.on_conflict_do_nothing(index_elements=["message_id"])
)
_DROP_DUPLICATE: Final = sa.delete(Duplicate).where(
    is_event(Duplicate), Duplicate.message_id == bindparam("message")
)
_COUNT_DUPLICATE: Final = (
    sa.update(Delivery)
    .where(is_event(Delivery))
    .values(duplicate_count=Delivery.duplicate_count + bindparam("more", type_=sa.Integer))
)


def add_duplicate(connection: sa.Connection, key: EventKey, message: MessageRef, now: datetime) -> None:
    """Count a message as a duplicate of its event, once however often it comes."""
    row = {
        "message_id": message.message_id,
        "reporting_system": key.reporting_system,
        "event_id": key.event_id,
        "lane": message.lane,
        "source": message.source,
        "enqueued_at": message.enqueued_at,
        "seen_at": now,
    }
    if inserted(connection, _ADD_DUPLICATE, row):
        connection.execute(_COUNT_DUPLICATE, {**of(key), "more": 1})


def drop_duplicate(connection: sa.Connection, key: EventKey, message: MessageRef) -> None:
    """A message counted as a duplicate proved to be the one that delivered."""
    deleted = connection.execute(_DROP_DUPLICATE, {**of(key), "message": message.message_id})
    if deleted.rowcount == 1:
        connection.execute(_COUNT_DUPLICATE, {**of(key), "more": -1})


_LATEST_LETTER: Final = sa.select(sa.func.max(DeadLetterRow.id)).where(is_event(DeadLetterRow))


def latest_letter(connection: sa.Connection, key: EventKey) -> int | None:
    """The number of the event's last dead letter."""
    return connection.execute(_LATEST_LETTER, of(key)).scalar()


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
        letters.append(
            sa.and_(
                DeadLetterRow.event_id == key.event_id, DeadLetterRow.reporting_system == key.reporting_system
            )
        )
    if message.replay_of is not None:
        letters.append(DeadLetterRow.id == message.replay_of)
    replayed = sa.and_(
        DeadLetterRow.resolution == DeadLetterResolution.REPLAYED, DeadLetterRow.payload.is_not(None)
    )
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
            resolution=sa.func.coalesce(DeadLetterRow.resolution, DeadLetterResolution.SUPERSEDED),
            resolved_at=sa.func.coalesce(DeadLetterRow.resolved_at, sa.literal(now, UtcDateTime)),
        )
    )
