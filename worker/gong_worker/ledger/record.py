"""Recording calls: the row before the call, and its result together with what becomes of the event.

A worker may lose its claim during a call, and come back with the answer when another has taken over. Its
result is always written. It moves the event only if it says "Gong has it", which is true whoever asked; in
every other case the event belongs to the one who took over. Whatever happens, its message ends once.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from gong_worker.domain.states import Status
from gong_worker.ledger import rows
from gong_worker.ledger.errors import ClaimLost
from gong_worker.ledger.models import Attempt, DeadLetterRow, Delivery
from gong_worker.ledger.rows import DeliveryState
from gong_worker.ledger.transactions import writing
from gong_worker.ledger.values import AttemptFacts, Claim

_MAX_INT64 = 2**63


def begin_attempt(engine: Engine, claim: Claim, *, now: datetime) -> int:
    """Note a call before it is made; see `Ledger.begin_attempt`."""
    with writing(engine) as connection:
        held = connection.execute(
            sa.update(Delivery)
            .where(
                rows.is_event(Delivery, claim.key),
                Delivery.claim_token == claim.token,
                Delivery.lease_expires_at > now,
            )
            .values(updated_at=now)
        )
        if held.rowcount == 0:
            raise ClaimLost
        # Our own open one, if any, is from a commit whose answer got lost.
        rows.interrupt_open_attempts(connection, claim.key)
        last = sa.select(sa.func.max(Attempt.attempt_number)).where(rows.is_event(Attempt, claim.key))
        number = int(connection.execute(last).scalar() or 0) + 1
        connection.execute(
            sa.insert(Attempt).values(
                event_id=claim.key.event_id,
                reporting_system=claim.key.reporting_system,
                attempt_number=number,
                claim_token=claim.token,
                started_at=now,
            )
        )
        return number


def cancel_attempt(engine: Engine, claim: Claim, number: int) -> None:
    """Remove the note of a call that was not made; see `Ledger.cancel_attempt`."""
    with writing(engine) as connection:
        connection.execute(
            sa.delete(Attempt).where(
                _is_attempt(claim, number),
                sa.or_(Attempt.outcome.is_(None), Attempt.outcome == "interrupted"),
            )
        )


def complete(
    engine: Engine,
    claim: Claim,
    attempt_number: int,
    attempt: AttemptFacts,
    *,
    now: datetime,
    resolution: str,
    integration_id: int | None,
) -> bool:
    """Gong has the event; see `Ledger.complete`."""
    if integration_id is not None and not -_MAX_INT64 <= integration_id < _MAX_INT64:
        integration_id = None  # no number of Gong's: the delivery counts, not its ornament
    with writing(engine) as connection:
        state = rows.lock(connection, claim.key)
        _write_attempt(connection, claim, attempt_number, attempt)
        if state.status == Status.DELIVERED:
            _end_as_duplicate(connection, claim, state, now)
            return False
        ours = state.claim_token == claim.token
        if not ours:
            # It comes late, but Gong has the event through this message and no other.
            rows.drop_duplicate(connection, claim.key, claim.message)
        changes: dict[str, Any] = {
            "status": Status.DELIVERED.value,
            "resolution": resolution,
            "request_id": attempt.request_id,
            "integration_id": integration_id,
            "attempt_count": state.attempt_count + 1,
            "settled_at": now,
            "updated_at": now,
            "next_attempt_at": None,
            **rows.NO_CLAIM,
            **rows.brought_by(claim.message, claim.facts),
        }
        rows.update_delivery(connection, claim.key, state, changes)
        rows.close_letters(connection, claim.key, claim.message, now)
        return ours


def dead_letter_event(
    engine: Engine,
    claim: Claim,
    attempt_number: int | None,
    attempt: AttemptFacts | None,
    *,
    now: datetime,
    reason: str,
    errors: list[str],
    payload: dict[str, Any],
) -> bool:
    """The event is dead; see `Ledger.dead_letter_event`."""
    with writing(engine) as connection:
        state = rows.lock(connection, claim.key)
        _write_attempt(connection, claim, attempt_number, attempt)
        if state.claim_token != claim.token:
            _end_as_duplicate(connection, claim, state, now)
            return False
        changes = {
            "status": Status.DEAD.value,
            "attempt_count": state.attempt_count + (attempt is not None),
            "settled_at": now,
            "updated_at": now,
            "next_attempt_at": None,
            **rows.NO_CLAIM,
        }
        rows.update_delivery(connection, claim.key, state, changes)
        rows.close_letters(connection, claim.key, claim.message, now, died_with=payload)
        connection.execute(
            sa.insert(DeadLetterRow).values(
                reporting_system=claim.key.reporting_system,
                event_id=claim.key.event_id,
                message_id=claim.message.message_id,
                lane=claim.message.lane.value,
                source=claim.message.source,
                enqueued_at=claim.message.enqueued_at,
                reason=reason,
                http_status=attempt.http_status if attempt else None,
                request_id=attempt.request_id if attempt else None,
                errors=errors,
                payload=payload,
                created_at=now,
            )
        )
        return True


def defer(
    engine: Engine,
    claim: Claim,
    attempt_number: int | None,
    attempt: AttemptFacts | None,
    *,
    now: datetime,
    next_attempt_at: datetime,
    spent: bool,
) -> bool:
    """The event is tried again later; see `Ledger.defer`."""
    with writing(engine) as connection:
        state = rows.lock(connection, claim.key)
        _write_attempt(connection, claim, attempt_number, attempt)
        if state.claim_token != claim.token:
            return False
        changes = {
            "status": Status.WAITING.value,
            "attempt_count": state.attempt_count + spent,
            "next_attempt_at": next_attempt_at,
            "updated_at": now,
            **rows.NO_CLAIM,
        }
        rows.update_delivery(connection, claim.key, state, changes)
        return True


def _is_attempt(claim: Claim, number: int) -> sa.ColumnElement[bool]:
    """Our own attempt: a number can be given anew after a cancelled one, a token cannot."""
    return sa.and_(
        rows.is_event(Attempt, claim.key),
        Attempt.attempt_number == number,
        Attempt.claim_token == claim.token,
    )


def _write_attempt(
    connection: sa.Connection, claim: Claim, number: int | None, attempt: AttemptFacts | None
) -> None:
    if number is None or attempt is None:
        return
    connection.execute(
        sa.update(Attempt)
        .where(_is_attempt(claim, number))
        .values(
            started_at=attempt.started_at,
            duration_ms=attempt.duration_ms,
            outcome=attempt.outcome,
            http_status=attempt.http_status,
            request_id=attempt.request_id,
            error=attempt.error,
        )
    )


def _end_as_duplicate(connection: sa.Connection, claim: Claim, state: DeliveryState, now: datetime) -> None:
    """Our message is about to be acknowledged while another one carries, or carried, the event."""
    if not rows.same_message(state, claim.message) and not rows.has_letter(
        connection, claim.key, claim.message
    ):
        rows.add_duplicate(connection, claim.key, claim.message, now)
    if state.status == Status.DELIVERED:
        rows.close_letters(connection, claim.key, claim.message, now)
