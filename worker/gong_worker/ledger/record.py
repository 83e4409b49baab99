"""Recording calls: the row before the call, and its result together with what becomes of the event.

A worker may lose its claim during a call, and come back with the answer when another has taken over. Its
result is always written. It moves the event only if it says "Gong has it", which is true whoever asked; in
every other case the event belongs to the one who took over. Whatever happens, its message ends once.
"""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from gong_worker.domain.error_kinds import error_kind
from gong_worker.domain.states import DeadLetterReason, Move, Resolution, Status
from gong_worker.ledger import attempt_rows, rows, steps
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.errors import ClaimLost
from gong_worker.ledger.models import DEAD_LETTERS
from gong_worker.ledger.rows import DeliveryState
from gong_worker.ledger.transactions import writing
from gong_worker.ledger.values import AttemptFacts, Claim

_MAX_INT64: Final = 2**63
_ADD_DEAD_LETTER: Final = sa.insert(DEAD_LETTERS)


def _write_result(
    connection: sa.Connection, claim: Claim, number: int | None, attempt: AttemptFacts | None
) -> None:
    if number is not None and attempt is not None:  # else no call was begun
        connection.execute(attempt_rows.WRITE_RESULT, attempt_rows.result(claim, number, attempt))


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
        # Our own open one, if any, is from a commit whose answer got lost: it is interrupted.
        number = self.steps.run(steps.BEGIN, {**rows.of(claim.key), "token": claim.token, "now": now})
        if number is None:
            raise ClaimLost
        return int(number)

    def cancel_attempt(self, claim: Claim, number: int) -> None:
        """Remove the note of a call that was not made after all."""
        with writing(self.engine) as connection:
            connection.execute(attempt_rows.CANCEL, attempt_rows.ours(claim, number))

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
        held = {
            **attempt_rows.result(claim, attempt_number, attempt),
            **rows.delivered_by(claim.key, claim.message, now),
            "new_resolution": resolution,
            "new_integration_id": integration_id,
        }
        if self.steps.run(steps.COMPLETE, held):
            return True
        with writing(self.engine) as connection:
            state = rows.lock(connection, claim.key)
            _write_result(connection, claim, attempt_number, attempt)
            if state.status is Status.DELIVERED:
                _end_as_duplicate(connection, claim, state, now)
                return False
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
            return False

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
