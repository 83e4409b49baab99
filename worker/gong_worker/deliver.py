"""Deliver one event: claim, gate, send, record, acknowledge. The path of docs/states.md, in its order.

Whatever happens, a message leaves the queue only after the ledger has the event's end (or, for one that
waits, its next attempt). Nothing here knows Redis, SQL or HTTP; it knows in which order they must happen.
"""

import hashlib
import json
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from gong_views import InvalidViewEvent, ViewEvent
from gong_worker.domain.outcomes import Ambiguous, Outcome, Unreachable, outcome_name
from gong_worker.domain.policy import Bury, Decision, GiveBack, Retry, RetryPolicy, Settle, decide
from gong_worker.gate import Gate, GateUnavailable, Go, Held, Lapsed, Later, Slot
from gong_worker.gong import Answer, GongClient
from gong_worker.ledger import (
    AttemptFacts,
    Busy,
    Claim,
    Claimed,
    ClaimLost,
    EventFacts,
    Ledger,
    LedgerUnavailable,
    MessageRef,
    Settled,
)
from gong_worker.queue.intake import Intake
from gong_worker.queue.mailroom import Delivery, Mailroom
from gong_worker.signals import reached

log = logging.getLogger(__name__)

# A hold shorter than this is waited out with the message in hand; a longer one gives it back.
SHORT_HOLD_SECONDS = 1.0
# How often a failed Redis or ledger is tried again.
RETRY_SECONDS = 0.5
# A message that finds its event in another's hands looks again this often.
BUSY_SECONDS = 1.0


class Stopping(Exception):
    """The process stops: nothing new is begun, what waits goes back to the queue."""


class Postponed(Exception):
    """The pipeline is held, or the ledger is away: the message goes back and the intake pauses."""


@dataclass
class Deliverer:
    """The parts one delivery needs, and the order in which it uses them."""

    ledger: Ledger
    gate: Gate
    gong: GongClient
    mailroom: Mailroom
    intake: Intake
    policy: RetryPolicy
    lease_seconds: float
    stop: threading.Event
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        self._claims_lock = threading.Lock()
        self._claims: dict[str, Claim] = {}

    # -- the path ----------------------------------------------------------------------------------------

    def deliver(self, delivery: Delivery) -> None:
        """Take one delivery to its end: acknowledged, parked, or given back. Raises nothing that is expected."""
        reached("received")
        try:
            if self.stop.is_set():
                raise Stopping
            self._deliver(delivery)
        except Stopping:
            self.mailroom.give_back(delivery)
        except Postponed:
            self.mailroom.give_back(delivery)
        except LedgerUnavailable as error:
            self.intake.pause(f"ledger: {error}", self._ledger_answers)
            self.mailroom.give_back(delivery)

    def _deliver(self, delivery: Delivery) -> None:
        envelope = delivery.envelope
        if envelope.eta is not None and (wait := (envelope.eta - self.now()).total_seconds()) > 0:
            self.mailroom.park(delivery, wait)
            return
        message = MessageRef(
            envelope.message_id, delivery.lane, delivery.enqueued_at, envelope.replay_of, envelope.source
        )
        try:
            event = ViewEvent.parse(envelope.event)
        except InvalidViewEvent as error:
            raw = json.dumps(envelope.event, ensure_ascii=False)
            self.ledger.bury_unreadable(raw, message, reason_text=str(error), now=self.now())
            self.mailroom.acknowledge(delivery)
            return
        wire = event.wire()
        facts = EventFacts(event.content_id, event.event_timestamp, payload_sha256(wire))
        found = self.ledger.claim(event.key, message, facts, now=self.now(), lease_seconds=self.lease_seconds)
        match found:
            case Settled():
                log.info(
                    "nothing to send",
                    extra={
                        "action": "duplicate" if found.duplicate else "redelivered",
                        "event_id": event.event_id,
                    },
                )
                self.mailroom.acknowledge(delivery)
            case Busy():
                # Longer than a lease means that the other waits for its next try: not before that is due.
                wait = (found.until - self.now()).total_seconds() - self.lease_seconds
                log.info("claimed by another", extra={"action": "busy", "event_id": event.event_id})
                self.mailroom.park(delivery, max(wait, BUSY_SECONDS))
            case Claimed(claim):
                reached("claimed")
                self._with_claim(delivery, claim, wire)
            case _:
                assert_never(found)

    def _with_claim(self, delivery: Delivery, claim: Claim, wire: dict[str, Any]) -> None:
        with self._claims_lock:
            self._claims[claim.token] = claim
        try:
            attempt_number, slot = self._go(delivery, claim)
            started_at = self.now()
            answer = self.gong.send(wire)
            self._report(slot, claim, answer)
            self._record(delivery, claim, wire, attempt_number, started_at, answer)
        except ClaimLost:
            # Our lease ran out (a frozen process, a ledger that was away) and another message took over.
            self.mailroom.park(delivery, BUSY_SECONDS)
        finally:
            with self._claims_lock:
                self._claims.pop(claim.token, None)

    def claims(self) -> list[Claim]:
        """The claims held right now, for the housekeeper to renew."""
        with self._claims_lock:
            return list(self._claims.values())

    # -- the gate ----------------------------------------------------------------------------------------

    def _go(self, delivery: Delivery, claim: Claim) -> tuple[int, Slot]:
        """Wait for a confirmed slot, with the attempt's row written; the call comes right after."""
        key = f"{claim.key.reporting_system}\x00{claim.key.event_id}"
        while True:
            slot = self._slot(delivery, claim, key)
            reached("slot")
            try:
                attempt_number = self.ledger.begin_attempt(claim, now=self.now())
            except (ClaimLost, LedgerUnavailable):
                self._refund(slot)
                raise
            reached("attempt_row")
            self.gong.warm()
            try:
                if self.stop.wait(max(0.0, slot.at - time.monotonic())):
                    self._refund(slot)
                    raise Stopping
                confirmed = self.gate.confirm(slot)
            except Stopping:
                self._undo(claim, attempt_number)
                raise
            except GateUnavailable:
                confirmed = Lapsed("unconfirmed")
            match confirmed:
                case Go():
                    return attempt_number, slot
                case Held() | Lapsed():
                    # No call was made: the row goes, and with it the next begin checks the claim again.
                    self.ledger.cancel_attempt(claim, attempt_number)
                case _:
                    assert_never(confirmed)

    def _slot(self, delivery: Delivery, claim: Claim, key: str) -> Slot:
        while True:
            try:
                answer = self.gate.acquire(delivery.lane, key)
            except GateUnavailable:
                self._wait(RETRY_SECONDS, claim)
                continue
            match answer:
                case Slot():
                    return answer
                case Later():
                    self._wait(answer.retry_in_seconds, claim)
                case Held() if answer.until is not None and answer.retry_in_seconds <= SHORT_HOLD_SECONDS:
                    self._wait(answer.retry_in_seconds, claim)
                case Held():
                    self.ledger.release(claim, now=self.now())
                    self.intake.pause(answer.reason.value, self._gate_opens)
                    raise Postponed
                case _:
                    assert_never(answer)

    def _wait(self, seconds: float, claim: Claim) -> None:
        if self.stop.wait(seconds):
            self._quietly(lambda: self.ledger.release(claim, now=self.now()))
            raise Stopping

    def _undo(self, claim: Claim, attempt_number: int) -> None:
        self._quietly(lambda: self.ledger.cancel_attempt(claim, attempt_number))
        self._quietly(lambda: self.ledger.release(claim, now=self.now()))

    def _refund(self, slot: Slot) -> None:
        self._quietly(lambda: self.gate.refund(slot))

    def _quietly(self, action: Callable[[], object]) -> None:
        # A courtesy whose failure costs nothing but a lease's length or one slot.
        try:
            action()
        except (LedgerUnavailable, GateUnavailable, ClaimLost) as error:
            log.info("not undone", extra={"action": "undo_failed", "error": type(error).__name__})

    def _gate_opens(self) -> bool:
        try:
            return not isinstance(self.gate.peek(), Held)
        except GateUnavailable:
            return False

    def _ledger_answers(self) -> bool:
        try:
            self.ledger.ping()
        except LedgerUnavailable:
            return False
        return True

    # -- after the call ----------------------------------------------------------------------------------

    def _report(self, slot: Slot, claim: Claim, answer: Answer) -> None:
        """Tell the gate, before anything else can fail: a Retry-After holds every other worker."""
        key = f"{claim.key.reporting_system}\x00{claim.key.event_id}"
        late = None if answer.written_at is None else answer.written_at - slot.at
        try:
            self.gate.report(
                slot, key, answer.outcome, written_late_seconds=late, reply_seconds=answer.reply_seconds
            )
        except GateUnavailable as error:
            log.warning("gate not told", extra={"action": "report_failed", "error": str(error)})

    def _record(
        self,
        delivery: Delivery,
        claim: Claim,
        wire: dict[str, Any],
        attempt_number: int,
        started_at: datetime,
        answer: Answer,
    ) -> None:
        """Attempt and new state in one transaction, tried until it is written; then the message may go."""
        outcome = answer.outcome
        decision = decide(outcome, claim.attempt_count, self.policy, self.jitter)
        attempt = AttemptFacts(
            outcome=outcome_name(outcome),
            http_status=getattr(outcome, "http_status", None),
            request_id=getattr(outcome, "request_id", None),
            error=_error_text(outcome),
            duration_ms=answer.duration_ms,
            started_at=started_at,
        )
        while True:
            try:
                ours = self._write(claim, wire, attempt_number, attempt, decision)
                break
            except LedgerUnavailable as error:
                # The call happened. Until the ledger has it the message stays with us, renewed, so that no
                # second call is made because bookkeeping failed.
                self.intake.pause(f"ledger: {error}", self._ledger_answers)
                if self.stop.wait(RETRY_SECONDS):
                    log.error(
                        "stopped before the ledger had the outcome; the event is sent again and Gong's 409 settles it",
                        extra={"action": "record_abandoned", "event_id": claim.key.event_id},
                    )
                    raise Stopping from None
        reached("committed")
        self._log_attempt(claim, attempt_number, attempt, decision)
        reached("before_ack")
        match decision:
            case Bury() if not ours:
                # Another message of this event took over meanwhile; what becomes of it decides about this one.
                self.mailroom.park(delivery, BUSY_SECONDS)
            case Settle() | Bury():
                self.mailroom.acknowledge(delivery)
            case Retry():
                self.mailroom.park(delivery, decision.delay_seconds)
            case GiveBack():
                self.mailroom.give_back(delivery)
            case _:
                assert_never(decision)

    def _write(
        self, claim: Claim, wire: dict[str, Any], number: int, attempt: AttemptFacts, decision: Decision
    ) -> bool:
        """True when the claim was still ours."""
        now = self.now()
        match decision:
            case Settle():
                return self.ledger.settle(
                    claim,
                    number,
                    attempt,
                    now=now,
                    resolution=decision.resolution,
                    integration_id=decision.integration_id,
                )
            case Bury():
                return self.ledger.bury(
                    claim,
                    number,
                    attempt,
                    now=now,
                    reason=decision.reason,
                    errors=list(decision.errors),
                    payload=wire,
                )
            case Retry():
                due = now + timedelta(seconds=decision.delay_seconds)
                return self.ledger.defer(
                    claim, number, attempt, now=now, next_attempt_at=due, spent=decision.spent
                )
            case GiveBack():
                return self.ledger.defer(claim, number, attempt, now=now, next_attempt_at=now, spent=False)
            case _:
                assert_never(decision)

    def _log_attempt(self, claim: Claim, number: int, attempt: AttemptFacts, decision: Decision) -> None:
        log.info(
            "attempt",
            extra={
                "action": "attempt",
                "reporting_system": claim.key.reporting_system,
                "event_id": claim.key.event_id,
                "message_id": claim.message.message_id,
                "lane": claim.message.lane.value,
                "attempt_number": number,
                "outcome": attempt.outcome,
                "http_status": attempt.http_status,
                "request_id": attempt.request_id,
                "duration_ms": attempt.duration_ms,
                "decision": type(decision).__name__.lower(),
                "delay_seconds": round(decision.delay_seconds, 1) if isinstance(decision, Retry) else None,
            },
        )


def payload_sha256(wire: dict[str, Any]) -> str:
    """Tells whether two payloads are the same, without keeping them."""
    text = json.dumps(wire, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _error_text(outcome: Outcome) -> str | None:
    if isinstance(outcome, Unreachable | Ambiguous):
        return outcome.error
    return None
