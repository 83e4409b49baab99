"""What an ordinary delivery writes: the claim of a new event, a duplicate, the attempt row, the record.

Each is a statement that decides by its condition, and what goes with it. Where the condition does not hold nothing is
changed, and the operation is run in full, with the event's row locked (claims.py, record.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.dml import UpdateBase

from gong_worker.domain.states import Move, Status, status_after
from gong_worker.ledger import attempt_rows, rows
from gong_worker.ledger.models import ATTEMPTS, DEAD_LETTERS, DELIVERIES, DUPLICATES
from gong_worker.ledger.prepared import Prepared, prepare

Condition = sa.ColumnElement[bool]


@dataclass(frozen=True, eq=False)
class Step:
    """One transaction: a statement that changes one row or none, and those that are run only if it changed one."""

    decides: dict[str, Any]
    """By dialect."""
    then: tuple[Callable[[Condition], UpdateBase], ...] = ()
    """Made with a condition, to be put into each."""
    answers: bool = False
    """Whether the last of `then` returns the step's answer."""
    columns: tuple[str, ...] = ()
    """What a deciding INSERT is given, when it names no values."""

    def prepared(self, dialect: Dialect) -> Prepared:
        """One statement for PostgreSQL; several for SQLite, where one statement changes one table."""
        decides = self.decides[dialect.name]
        if dialect.name == "sqlite":
            return prepare([decides, *(make(sa.true()) for make in self.then)], dialect, self.columns)
        returning = decides.returning(sa.literal_column("1").label("done"))
        if not self.then:
            return prepare([returning], dialect, self.columns)
        decided = returning.cte("decided")
        done = sa.exists(sa.select(decided.c.done))
        then = [make(done).cte(f"then_{number}") for number, make in enumerate(self.then)]
        answer = sa.select(*(then[-1] if self.answers else decided).c)
        return prepare([answer.add_cte(decided, *then)], dialect)


def _on_each(statement: UpdateBase) -> dict[str, Any]:
    return {"postgresql": statement, "sqlite": statement}


CLAIM: Final = Step(
    rows.INSERT_DELIVERY,
    columns=(
        *("event_id", "reporting_system", "status", "attempt_count", "duplicate_count", "first_seen_at"),
        *("claim_token", "lease_expires_at", "updated_at", *rows.BROUGHT),
    ),
)

_MESSAGE: Final = bindparam("message", type_=DUPLICATES.c.message_id.type)
_ENDED_AS_LETTER: Final = sa.exists().where(
    rows.is_event(DEAD_LETTERS), DEAD_LETTERS.c.message_id == _MESSAGE
)
# Delivered is final, so the row needs no lock.
_BROUGHT_AGAIN: Final = sa.select(
    _MESSAGE,
    DELIVERIES.c.reporting_system,
    DELIVERIES.c.event_id,
    *(bindparam(name, type_=DUPLICATES.c[name].type) for name in ("lane", "source", "enqueued_at")),
    bindparam("now", type_=DUPLICATES.c.seen_at.type),
).where(
    rows.is_event(DELIVERIES),
    DELIVERIES.c.status == Status.DELIVERED,
    DELIVERIES.c.message_id != _MESSAGE,
    ~_ENDED_AS_LETTER,
)
DUPLICATE: Final = Step(
    rows.OnEach(
        DUPLICATES,
        lambda insert: insert.from_select(
            ["message_id", "reporting_system", "event_id", "lane", "source", "enqueued_at", "seen_at"],
            _BROUGHT_AGAIN,
        ).on_conflict_do_nothing(index_elements=["message_id"]),
    ),
    then=(rows.COUNT_DUPLICATE.where, rows.CLOSE_DELIVERED.where),
)

_NEXT_NUMBER: Final = (
    sa.select(sa.func.coalesce(sa.func.max(ATTEMPTS.c.attempt_number), 0) + 1)
    .where(rows.is_event(ATTEMPTS))
    .scalar_subquery()
)
_ATTEMPT: Final = {
    "event_id": bindparam("key_event", type_=ATTEMPTS.c.event_id.type),
    "reporting_system": bindparam("key_system", type_=ATTEMPTS.c.reporting_system.type),
    "attempt_number": _NEXT_NUMBER,
    "claim_token": bindparam("token", type_=ATTEMPTS.c.claim_token.type),
    "started_at": bindparam("now", type_=ATTEMPTS.c.started_at.type),
}
BEGIN: Final = Step(
    _on_each(
        sa.update(DELIVERIES)
        .where(
            rows.is_event(DELIVERIES),
            DELIVERIES.c.claim_token == bindparam("token"),
            DELIVERIES.c.lease_expires_at > bindparam("now"),
        )
        .values(updated_at=bindparam("now"))
    ),
    then=(
        attempt_rows.INTERRUPT.where,
        lambda held: (
            sa.insert(ATTEMPTS)
            .from_select(list(_ATTEMPT), sa.select(*_ATTEMPT.values()).where(held))
            .returning(ATTEMPTS.c.attempt_number)
        ),
    ),
    answers=True,
)

COMPLETE: Final = Step(
    _on_each(
        sa.update(DELIVERIES)
        .where(rows.is_event(DELIVERIES), DELIVERIES.c.claim_token == bindparam("token"))
        .values(
            status=status_after(Status.SENDING, Move.COMPLETED),  # a claim is held in no other status
            resolution=bindparam("new_resolution"),
            request_id=bindparam("new_request_id"),
            integration_id=bindparam("new_integration_id"),
            attempt_count=DELIVERIES.c.attempt_count + 1,
            settled_at=bindparam("now"),
            updated_at=bindparam("now"),
            next_attempt_at=None,
            **rows.NO_CLAIM,
        )
    ),
    then=(attempt_rows.WRITE_RESULT.where, rows.CLOSE_DELIVERED.where),
)
