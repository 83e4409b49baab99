"""Statements that several operations share: the row of an event, the end of a message, the letters of an event.

Every statement is built once, its parameters bound by name: building one costs more than running it.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import bindparam

from gong_views import EventKey
from gong_worker.domain.states import DeadLetterResolution, Move, Status, status_after
from gong_worker.ledger.columns import UtcDateTime, bounded
from gong_worker.ledger.models import DEAD_LETTERS, DELIVERIES, DUPLICATES
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


def insert_into(dialect: str, table: sa.Table) -> Any:
    """The dialect's own INSERT, which knows ON CONFLICT. Only the dialect of the ledger is loaded."""
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)


class OnEach(dict[str, Any]):
    """An INSERT that knows ON CONFLICT, by dialect; built when a dialect is first asked for."""

    def __init__(self, table: sa.Table, build: Callable[[Any], Any]) -> None:
        super().__init__()
        self._table, self._build = table, build

    def __missing__(self, dialect: str) -> Any:
        statement = self[dialect] = self._build(insert_into(dialect, self._table))
        return statement


INSERT_DELIVERY: Final = OnEach(
    DELIVERIES, lambda insert: insert.on_conflict_do_nothing(index_elements=["event_id", "reporting_system"])
)


def inserted(connection: sa.Connection, insert: dict[str, Any], values: dict[str, Any]) -> bool:
    """Run an INSERT of one row that may meet a conflict; whether it went in."""
    # Without this option the count of an INSERT is not kept on every driver.
    options = {"preserve_rowcount": True}
    result = connection.execute(insert[connection.dialect.name], values, execution_options=options)
    return result.rowcount == 1


def is_event(table: sa.Table) -> sa.ColumnElement[bool]:
    """The rows of the event that `of` names."""
    return sa.and_(
        table.c.event_id == bindparam("key_event"), table.c.reporting_system == bindparam("key_system")
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
    sa.select(*(DELIVERIES.c[name] for name in DeliveryState._fields))
    .where(is_event(DELIVERIES))
    .with_for_update()
)


def lock(connection: sa.Connection, key: EventKey) -> DeliveryState:
    """The event's row, held against every other writer until the transaction ends."""
    return DeliveryState(*connection.execute(_LOCK, of(key)).one())


@cache
def _moving(columns: tuple[str, ...]) -> sa.Update:
    return (
        sa.update(DELIVERIES)
        .where(
            is_event(DELIVERIES),
            DELIVERIES.c.status == bindparam("was_status"),
            DELIVERIES.c.claim_token.is_not_distinct_from(bindparam("was_token")),
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
    sa.select(DEAD_LETTERS.c.id)
    .where(is_event(DEAD_LETTERS), DEAD_LETTERS.c.message_id == bindparam("message"))
    .limit(1)
)
_DUPLICATE_OF: Final = sa.select(DUPLICATES.c.message_id).where(
    is_event(DUPLICATES), DUPLICATES.c.message_id == bindparam("message")
)


def has_dead_letter(connection: sa.Connection, key: EventKey, message: MessageRef) -> bool:
    """Whether this message ended as a dead letter of this event."""
    return connection.execute(_DEAD_LETTER_OF, {**of(key), "message": message.message_id}).first() is not None


def is_duplicate(connection: sa.Connection, key: EventKey, message: MessageRef) -> bool:
    """Whether this message ended as a duplicate of this event."""
    return connection.execute(_DUPLICATE_OF, {**of(key), "message": message.message_id}).first() is not None


_ADD_DUPLICATE: Final = OnEach(
    DUPLICATES, lambda insert: insert.on_conflict_do_nothing(index_elements=["message_id"])
)
_DROP_DUPLICATE: Final = sa.delete(DUPLICATES).where(
    is_event(DUPLICATES), DUPLICATES.c.message_id == bindparam("message")
)
COUNT_DUPLICATE: Final = (
    sa.update(DELIVERIES)
    .where(is_event(DELIVERIES))
    .values(duplicate_count=DELIVERIES.c.duplicate_count + bindparam("more", type_=sa.Integer))
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


_LETTERS: Final = sa.select(*(DEAD_LETTERS.c[name] for name in DeadLetterFacts._fields)).where(
    is_event(DEAD_LETTERS)
)


def dead_letters_of(connection: sa.Connection, key: EventKey) -> list[DeadLetterFacts]:
    """All letters of an event."""
    return [DeadLetterFacts(*row) for row in connection.execute(_LETTERS, of(key))]


_NO_EVENT: Final = DEAD_LETTERS.c.event_id.is_(None)
_REPLAYED: Final = DEAD_LETTERS.c.resolution == DeadLetterResolution.REPLAYED
_IS_THE_REPLAYED_ONE: Final = DEAD_LETTERS.c.id == bindparam("replayed")
# A message that could not be read may have been put back as it was, under its own id.
_WAS_PUT_BACK: Final = sa.and_(_NO_EVENT, DEAD_LETTERS.c.message_id == bindparam("message"), _REPLAYED)
_CLOSED: Final = {
    "payload": None,
    "resolution": sa.func.coalesce(DEAD_LETTERS.c.resolution, DeadLetterResolution.SUPERSEDED),
    "resolved_at": sa.func.coalesce(DEAD_LETTERS.c.resolved_at, bindparam("now", type_=UtcDateTime)),
}
CLOSE_DELIVERED: Final = (
    sa.update(DEAD_LETTERS)
    .where(
        sa.or_(is_event(DEAD_LETTERS), sa.and_(_NO_EVENT, _IS_THE_REPLAYED_ONE), _WAS_PUT_BACK),
        sa.or_(
            DEAD_LETTERS.c.resolution.is_(None),
            DEAD_LETTERS.c.payload.is_not(None),
            DEAD_LETTERS.c.errors != [],
        ),
    )
    .values(**_CLOSED, errors=[])
)
_CLOSE_REPLAYED: Final = (
    sa.update(DEAD_LETTERS)
    .where(
        sa.or_(
            sa.and_(
                _IS_THE_REPLAYED_ONE,
                sa.or_(
                    _NO_EVENT,
                    sa.and_(is_event(DEAD_LETTERS), DEAD_LETTERS.c.payload == bindparam("died_with")),
                ),
            ),
            _WAS_PUT_BACK,
        ),
        DEAD_LETTERS.c.payload.is_not(None),
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
