"""Recording calls: the row before the call, and its result together with what becomes of the event.

A worker may lose its claim during a call, and come back with the answer when another has taken over. Its
result is always written. It moves the event only if it says "Gong has it", which is true whoever asked; in
every other case the event belongs to the one who took over. Whatever happens, its message ends once.
"""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gong_worker.domain.error_kinds import error_kind
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import DeadLetterReason, Move, Resolution, Status
from gong_worker.ledger import rows
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.errors import ClaimLost
from gong_worker.ledger.models import Attempt, DeadLetterRow, Delivery
from gong_worker.ledger.rows import DeliveryState
from gong_worker.ledger.transactions import writing
from gong_worker.ledger.values import AttemptFacts, Claim

_MAX_INT64: Final = 2**63
# Our own attempt: a number can be given anew after a cancelled one, a token cannot.
_IS_OURS: Final = sa.and_(
    rows.is_event(Attempt),
    Attempt.attempt_number == bindparam("number"),
    Attempt.claim_token == bindparam("token"),
)
_HELD: Final = (
    sa.update(Delivery)
    .where(
        rows.is_event(Delivery),
        Delivery.claim_token == bindparam("token"),
        Delivery.lease_expires_at > bindparam("now"),
    )
    .values(updated_at=bindparam("now"))
)
_LAST_NUMBER: Final = sa.select(sa.func.max(Attempt.attempt_number)).where(rows.is_event(Attempt))
_BEGIN: Final = sa.insert(Attempt)
_CANCEL: Final = sa.delete(Attempt).where(
    _IS_OURS, sa.or_(Attempt.outcome.is_(None), Attempt.outcome == AttemptOutcome.INTERRUPTED)
)
_RESULT: Final = ("started_at", "duration_ms", "outcome", "http_status", "request_id", "error")
_WRITE_RESULT: Final = (
    sa.update(Attempt).where(_IS_OURS).values({name: bindparam(f"new_{name}") for name in _RESULT})
)
_ADD_DEAD_LETTER: Final = sa.insert(DeadLetterRow)


def _write_result(
    connection: sa.Connection, claim: Claim, number: int | None, attempt: AttemptFacts | None
) -> None:
    if number is None or attempt is None:
        return  # no call was begun
    result = {f"new_{name}": getattr(attempt, name) for name in _RESULT}
    connection.execute(
        _WRITE_RESULT, {**rows.of(claim.key), "number": number, "token": claim.token, **result}
    )


def _end_as_duplicate(connection: sa.Connection, claim: Claim, state: DeliveryState, now: datetime) -> None:
    """Our message is about to be acknowledged while another one carries, or carried, the event."""
    if not rows.same_message(state, claim.message) and not rows.has_dead_letter(
        connection, claim.key, claim.message
    ):
        rows.add_duplicate(connection, claim.key, claim.message, now)
    if state.status is Status.DELIVERED:
        rows.close_dead_letters_of_delivered(connection, claim.key, claim.message, now)


class Recording(LedgerPart):
    """Calls and their results."""

    def begin_attempt(self, claim: Claim, *, now: datetime) -> int:
        """Note a call before it is made, so that a crash cannot hide it; returns its number.

        Raises ClaimLost when another took the event over, or the lease has run out so that one may at any
        moment: make no call.
        """
        held = {**rows.of(claim.key), "token": claim.token, "now": now}
        with writing(self.engine) as connection:
            if connection.execute(_HELD, held).rowcount == 0:
                raise ClaimLost
            # Our own open one, if any, is from a commit whose answer got lost.
            rows.interrupt_open_attempts(connection, claim.key)
            number = int(connection.execute(_LAST_NUMBER, rows.of(claim.key)).scalar() or 0) + 1
            row = {
                "event_id": claim.key.event_id,
                "reporting_system": claim.key.reporting_system,
                "attempt_number": number,
                "claim_token": claim.token,
                "started_at": now,
            }
            connection.execute(_BEGIN, row)
            return number

    def cancel_attempt(self, claim: Claim, number: int) -> None:
        """Remove the note of a call that was not made after all."""
        with writing(self.engine) as connection:
            connection.execute(_CANCEL, {**rows.of(claim.key), "number": number, "token": claim.token})

    def complete(
        self,
        claim: Claim,
        attempt_number: int,
        attempt: AttemptFacts,
        *,
        now: datetime,
        resolution: Resolution,
        integration_id: int | None,
    ) -> bool:
        """Gong has the event: delivered for good, also when the claim was lost meanwhile.

        When another message delivered first, this one is counted as a duplicate.
        """
        if integration_id is not None and not -_MAX_INT64 <= integration_id < _MAX_INT64:
            integration_id = None  # outside int64: stored as null
        with writing(self.engine) as connection:
            state = rows.lock(connection, claim.key)
            _write_result(connection, claim, attempt_number, attempt)
            if state.status is Status.DELIVERED:
                _end_as_duplicate(connection, claim, state, now)
                return False
            ours = state.claim_token == claim.token
            if not ours:
                # It comes late, but Gong has the event through this message and no other.
                rows.drop_duplicate(connection, claim.key, claim.message)
            changes = {
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
            rows.update_delivery(connection, claim.key, state, changes, move=Move.COMPLETED)
            rows.close_dead_letters_of_delivered(connection, claim.key, claim.message, now)
            return ours

    def dead_letter_event(
        self,
        claim: Claim,
        attempt_number: int | None,
        attempt: AttemptFacts | None,
        *,
        now: datetime,
        reason: DeadLetterReason,
        errors: list[str],
        payload: dict[str, Any],
    ) -> bool:
        """The event is dead; its letter is the only place that keeps the payload. Without a call both are None.

        With a lost claim no letter is written: the event is another's by now, and this message ends as a
        duplicate if it is another message's.
        """
        with writing(self.engine) as connection:
            state = rows.lock(connection, claim.key)
            _write_result(connection, claim, attempt_number, attempt)
            if state.claim_token != claim.token:
                _end_as_duplicate(connection, claim, state, now)
                return False
            changes = {
                "attempt_count": state.attempt_count + (attempt is not None),
                "settled_at": now,
                "updated_at": now,
                "next_attempt_at": None,
                **rows.NO_CLAIM,
            }
            rows.update_delivery(connection, claim.key, state, changes, move=Move.DEAD_LETTERED)
            rows.close_replayed_dead_letter(connection, claim.key, claim.message, payload, now)
            letter = {
                "reporting_system": claim.key.reporting_system,
                "event_id": claim.key.event_id,
                "message_id": claim.message.message_id,
                "lane": claim.message.lane,
                "source": claim.message.source,
                "enqueued_at": claim.message.enqueued_at,
                "reason": reason,
                "http_status": attempt and attempt.http_status,
                "request_id": attempt and attempt.request_id,
                "errors": errors,
                "payload": payload,
                "created_at": now,
                "replay_of": claim.message.replay_of,
                "error_kind": error_kind(errors, payload),
            }
            connection.execute(_ADD_DEAD_LETTER, letter)
            return True

    def defer(
        self,
        claim: Claim,
        attempt_number: int | None,
        attempt: AttemptFacts | None,
        *,
        now: datetime,
        next_attempt_at: datetime,
        spent: bool,
    ) -> bool:
        """The event waits for another try; `spent` counts this call against its attempts."""
        with writing(self.engine) as connection:
            state = rows.lock(connection, claim.key)
            _write_result(connection, claim, attempt_number, attempt)
            if state.claim_token != claim.token:
                return False
            changes = {
                "attempt_count": state.attempt_count + spent,
                "next_attempt_at": next_attempt_at,
                "updated_at": now,
                **rows.NO_CLAIM,
            }
            rows.update_delivery(connection, claim.key, state, changes, move=Move.DEFERRED)
            return True
