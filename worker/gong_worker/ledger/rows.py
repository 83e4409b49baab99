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
from gong_worker.domain.states import DeadLetterResolution, Move, Status, status_after
from gong_worker.ledger.columns import UtcDateTime, bounded
from gong_worker.ledger.models import DeadLetterRow, Delivery, Duplicate
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


INSERT_DELIVERY: Final = on_each(
    Delivery, lambda insert: insert.on_conflict_do_nothing(index_elements=["event_id", "reporting_system"])
)


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


#: The names of the columns of `brought_by`.
BROUGHT: Final = (
    *("message_id", "lane", "source", "enqueued_at"),
    *("content_id", "event_timestamp", "payload_sha256"),
)
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


def same_message(state: DeliveryState, message: MessageRef) -> bool:
    """Whether the event's row belongs to this message."""
    return state.message_id == bounded(message.message_id)


_DEAD_LETTER_OF: Final = (
    sa.select(DeadLetterRow.id)
    .where(is_event(DeadLetterRow), DeadLetterRow.message_id == bindparam("message"))
    .limit(1)
)
_DUPLICATE_OF: Final = sa.select(Duplicate.message_id).where(
    is_event(Duplicate), Duplicate.message_id == bindparam("message")
)


def has_dead_letter(connection: sa.Connection, key: EventKey, message: MessageRef) -> bool:
    """Whether this message ended as a dead letter of this event."""
    return connection.execute(_DEAD_LETTER_OF, {**of(key), "message": message.message_id}).first() is not None


def is_duplicate(connection: sa.Connection, key: EventKey, message: MessageRef) -> bool:
    """Whether this message ended as a duplicate of this event."""
    return connection.execute(_DUPLICATE_OF, {**of(key), "message": message.message_id}).first() is not None


_ADD_DUPLICATE: Final = on_each(
    Duplicate, lambda insert: insert.on_conflict_do_nothing(index_elements=["message_id"])
)
_DROP_DUPLICATE: Final = sa.delete(Duplicate).where(
    is_event(Duplicate), Duplicate.message_id == bindparam("message")
)
COUNT_DUPLICATE: Final = (
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
        connection.execute(COUNT_DUPLICATE, {**of(key), "more": 1})


def drop_duplicate(connection: sa.Connection, key: EventKey, message: MessageRef) -> None:
    """A message counted as a duplicate proved to be the one that delivered."""
    deleted = connection.execute(_DROP_DUPLICATE, {**of(key), "message": message.message_id})
    if deleted.rowcount == 1:
        connection.execute(COUNT_DUPLICATE, {**of(key), "more": -1})


class DeadLetterFacts(NamedTuple):
    """What a decision about a dead event needs of its letters."""

    id: int
    message_id: str
    resolution: DeadLetterResolution | None
    replay_of: int | None
    erased_at: datetime | None


_LETTERS: Final = sa.select(*(getattr(DeadLetterRow, name) for name in DeadLetterFacts._fields)).where(
    is_event(DeadLetterRow)
)


def dead_letters_of(connection: sa.Connection, key: EventKey) -> list[DeadLetterFacts]:
    """All letters of an event."""
    return [DeadLetterFacts(*row) for row in connection.execute(_LETTERS, of(key))]


_NO_EVENT: Final = DeadLetterRow.event_id.is_(None)
_REPLAYED: Final = DeadLetterRow.resolution == DeadLetterResolution.REPLAYED
_IS_THE_REPLAYED_ONE: Final = DeadLetterRow.id == bindparam("replayed")
# A message that could not be read may have been put back as it was, under its own id.
_WAS_PUT_BACK: Final = sa.and_(_NO_EVENT, DeadLetterRow.message_id == bindparam("message"), _REPLAYED)
_CLOSED: Final = {
    "payload": None,
    "resolution": sa.func.coalesce(DeadLetterRow.resolution, DeadLetterResolution.SUPERSEDED),
    "resolved_at": sa.func.coalesce(DeadLetterRow.resolved_at, bindparam("now", type_=UtcDateTime)),
}
CLOSE_DELIVERED: Final = (
    sa.update(DeadLetterRow)
    .where(
        sa.or_(is_event(DeadLetterRow), sa.and_(_NO_EVENT, _IS_THE_REPLAYED_ONE), _WAS_PUT_BACK),
        sa.or_(
            DeadLetterRow.resolution.is_(None), DeadLetterRow.payload.is_not(None), DeadLetterRow.errors != []
        ),
    )
    .values(**_CLOSED, errors=[])
)
_CLOSE_REPLAYED: Final = (
    sa.update(DeadLetterRow)
    .where(
        sa.or_(
            sa.and_(
                _IS_THE_REPLAYED_ONE,
                sa.or_(
                    _NO_EVENT,
                    sa.and_(is_event(DeadLetterRow), DeadLetterRow.payload == bindparam("died_with")),
                ),
            ),
            _WAS_PUT_BACK,
        ),
        DeadLetterRow.payload.is_not(None),
    )
    .values(_CLOSED)
)


def close_dead_letters_of_delivered(
    connection: sa.Connection, key: EventKey, message: MessageRef, now: datetime
) -> None:
    """Gong has the event: no letter of it needs its payload, nor Gong's error texts, which may quote it."""
    connection.execute(CLOSE_DELIVERED, delivered_by(key, message, now))


def delivered_by(key: EventKey, message: MessageRef, now: datetime) -> dict[str, Any]:
    """The parameters of CLOSE_DELIVERED."""
    return {**of(key), "replayed": message.replay_of, "message": message.message_id, "now": now}


def close_replayed_dead_letter(
    connection: sa.Connection, key: EventKey, message: MessageRef, payload: Any, now: datetime
) -> None:
    """The replay of a letter died with a letter of its own, which holds the payload from now on.

    A payload that the new letter does not have, from before an operator's edit, stays.
    """
    ours = {"replayed": message.replay_of, "message": message.message_id, "died_with": payload, "now": now}
    connection.execute(_CLOSE_REPLAYED, {**of(key), **ours})
