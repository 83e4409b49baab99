"""The pipeline of one received message.

Whatever happens, a message leaves the queue only after the ledger has the event's end (or, for one that
waits, its next attempt). Here is the order of the steps; Redis, SQL and HTTP
are in the parts.
"""

import json
import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from gong_views import EventKey, InvalidViewEvent, ViewEvent
from gong_views.canonical import payload_sha256
from gong_worker.deliver.admission import RETRY_SECONDS, Admission, Postponed, Stopping
from gong_worker.deliver.invalid import readable_facts
from gong_worker.deliver.outage import LedgerOutage
from gong_worker.deliver.record import Record, attempt_facts
from gong_worker.deliver.reports import GateReports
from gong_worker.domain.outcomes import Ambiguous
from gong_worker.domain.policy import Complete, DeadLetterEvent, Requeue, Retry, RetryPolicy, decide
from gong_worker.domain.states import DeadLetterReason
from gong_worker.failpoints import failpoint
from gong_worker.gate import Gate
from gong_worker.gong import CallResult, GongClient
from gong_worker.ledger import (
    AlreadyHandled,
    Busy,
    Claim,
    Claimed,
    ClaimLost,
    EventFacts,
    Ledger,
    LedgerUnavailable,
    MessageRef,
)
from gong_worker.queue.consumer_pause import ConsumerPause
from gong_worker.queue.messages import Messages, ReceivedMessage

log = logging.getLogger(__name__)

# A message whose event is claimed by another one is retried this often.
BUSY_SECONDS = 1.0


@dataclass
class Deliverer:
    """The parts one delivery needs, and the order in which it uses them."""

    ledger: Ledger
    gate: Gate
    gong: GongClient
    messages: Messages
    consumer_pause: ConsumerPause
    policy: RetryPolicy
    lease_seconds: float
    stop: threading.Event
    now: Callable[[], datetime]
    """One clock for all workers: leases are judged by it."""
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        self.reports = GateReports(self.gate)
        self._admission = Admission(
            self.ledger, self.gate, self.reports, self.gong, self.consumer_pause, self.stop, self.now
        )
        self._claims_lock = threading.Lock()
        self._claims: dict[str, Claim] = {}

    def deliver(self, received: ReceivedMessage) -> None:
        """Take one message to its end: acknowledged, retried later, or requeued. Raises only what is a defect."""
        failpoint("received")
        try:
            if self.stop.is_set():
                raise Stopping
            self._deliver(received)
        except Postponed as postponed:
            if postponed.retry_seconds is None:
                self.messages.requeue(received)
            else:
                self.messages.retry_later(received, postponed.retry_seconds)
        except Stopping:
            self.messages.requeue(received)
        except LedgerUnavailable as error:
            self._ledger_is_away(error)
            self.messages.requeue(received)
        except Exception:
            # A defect, or a value that no part foresaw, before there was a claim to count it on.
            self._log_failure(received)
            self.messages.fail(received, self.policy)

    def claims(self) -> list[Claim]:
        """The claims held right now, whose leases are to be renewed."""
        with self._claims_lock:
            return list(self._claims.values())

    def _deliver(self, received: ReceivedMessage) -> None:
        envelope = received.envelope
        if envelope.eta is not None and (wait := (envelope.eta - self.now()).total_seconds()) > 0:
            self.messages.retry_later(received, wait)
            return
        adopted = self.messages.adopt(received)
        if adopted is None:
            return
        received = adopted
        message = MessageRef(
            envelope.message_id, received.lane, received.enqueued_at, envelope.replay_of, envelope.source
        )
        try:
            event = ViewEvent.parse(envelope.event)
        except InvalidViewEvent as error:
            self._invalid(received, message, str(error))
            return
        wire = event.wire()
        facts = EventFacts(event.content_id, event.event_timestamp, payload_sha256(wire))
        claim = self._claim(received, event.key, message, facts)
        if claim is not None:
            failpoint("claimed")
            self._with_claim(received, claim, wire)

    def _invalid(self, received: ReceivedMessage, message: MessageRef, why: str) -> None:
        """An event that breaks the contract is a dead letter, under its event key where it has one."""
        event = received.envelope.event
        found = readable_facts(event, received.enqueued_at)
        if found is None:
            self.ledger.dead_letter_message(
                json.dumps(event, ensure_ascii=False),
                message,
                reason_text=why,
                now=self.now(),
                reason=DeadLetterReason.INVALID,
            )
            self.messages.acknowledge(received)
            return
        claim = self._claim(received, found[0], message, found[1])
        if claim is not None:
            decision = DeadLetterEvent(DeadLetterReason.INVALID, (why,))
            self._finish(received, Record(claim, None, None, decision, event))

    def _claim(
        self, received: ReceivedMessage, key: EventKey, message: MessageRef, facts: EventFacts
    ) -> Claim | None:
        """The event's claim; None when there is nothing to be done now, and the message has been ended so."""
        found = self.ledger.claim(key, message, facts, now=self.now(), lease_seconds=self.lease_seconds)
        match found:
            case AlreadyHandled():
                action = "duplicate" if found.duplicate else "redelivered"
                log.info("nothing to send", extra={"action": action, "event_id": key.event_id})
                self.messages.acknowledge(received)
            case Busy():
                # Longer than a lease means that the other waits for its next try: not before that is due.
                wait = (found.until - self.now()).total_seconds() - self.lease_seconds
                log.info("claimed by another", extra={"action": "busy", "event_id": key.event_id})
                self.messages.retry_later(received, max(wait, BUSY_SECONDS))
            case Claimed(claim):
                return claim
            case _:
                assert_never(found)
        return None

    def _with_claim(self, received: ReceivedMessage, claim: Claim, wire: dict[str, Any]) -> None:
        with self._claims_lock:
            self._claims[claim.token] = claim
        attempt_number: int | None = None
        started_at = self.now()
        try:
            attempt_number, slot = self._admission.wait_for_slot(received.lane, claim)
            started_at = self.now()
            result = self.gong.send(wire)
            own_fault = self.reports.report(slot, claim, result)
            decision = decide(
                result.outcome, claim.attempt_count, self.policy, self.jitter, own_fault=own_fault
            )
            attempt = attempt_facts(result, started_at)
            self._finish(received, Record(claim, attempt_number, attempt, decision, wire))
        except ClaimLost:
            # Our lease ran out (a frozen process, a ledger that was away) and another message took over.
            self.messages.retry_later(received, BUSY_SECONDS)
        except (Stopping, Postponed, LedgerUnavailable):
            raise
        except Exception as error:
            # Counted like a call without an answer: backoff, then a dead letter.
            self._log_failure(received)
            result = CallResult(Ambiguous(f"the worker failed: {type(error).__name__}"), 0, None, None)
            decision = decide(result.outcome, claim.attempt_count, self.policy, self.jitter)
            attempt = attempt_facts(result, started_at)
            self._finish(received, Record(claim, attempt_number, attempt, decision, wire))
        finally:
            with self._claims_lock:
                self._claims.pop(claim.token, None)

    def _finish(self, received: ReceivedMessage, record: Record) -> None:
        ours = self._write(record)
        failpoint("committed")
        record.log()
        failpoint("before_ack")
        self._end(received, record, ours=ours)

    def _log_failure(self, received: ReceivedMessage) -> None:
        log.exception(
            "delivery failed unexpectedly",
            extra={"action": "delivery_failed", "message_id": received.envelope.message_id},
        )

    def _write(self, record: Record) -> bool:
        """Write the outcome, however long the ledger is away; True when the claim was still ours.

        The call happened. Until the ledger has it the message stays with us, renewed, so that no second call
        is made because bookkeeping failed.
        """
        while True:
            try:
                return record.write(self.ledger, self.now())
            except LedgerUnavailable as error:
                self._ledger_is_away(error)
                if self.stop.wait(RETRY_SECONDS):
                    log.error(
                        "stopped before the ledger had the outcome; the event is sent again and a 409 settles it",
                        extra={"action": "record_abandoned", "event_id": record.claim.key.event_id},
                    )
                    raise Stopping from None

    def _end(self, received: ReceivedMessage, record: Record, *, ours: bool) -> None:
        match record.decision:
            case DeadLetterEvent() if not ours:
                # Another message of this event took over meanwhile; what becomes of it decides about this one.
                self.messages.retry_later(received, BUSY_SECONDS)
            case Complete() | DeadLetterEvent():
                self.messages.acknowledge(received)
            case Retry():
                self.messages.retry_later(received, record.decision.delay_seconds)
            case Requeue():
                self.messages.requeue(received)
            case _:
                assert_never(record.decision)

    def _ledger_is_away(self, error: LedgerUnavailable) -> None:
        outage = LedgerOutage(self.ledger, self.lease_seconds)
        self.consumer_pause.pause(f"ledger: {error}", outage.over)
