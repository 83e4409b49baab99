"""The pipeline of one received message.

Whatever happens, a message leaves the queue only after the ledger has the event's end (or, for one that
waits, its next attempt). Here is the order of the steps; Redis, SQL and HTTP
are in the parts.
"""

import json
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from gong_views import EventKey, InvalidViewEvent, ViewEvent
from gong_worker.deliver.admission import RETRY_SECONDS, Admission, Postponed, Stopping
from gong_worker.deliver.end_trip import acknowledge
from gong_worker.deliver.endings import End, Ending, RetryLater, SetAside
from gong_worker.deliver.outage import LedgerOutage
from gong_worker.deliver.record import Record, attempt_facts, log_names
from gong_worker.deliver.reports import GateReports
from gong_worker.deliver.spans import write_spans
from gong_worker.domain.outcomes import Ambiguous
from gong_worker.domain.policy import Complete, DeadLetterEvent, Decision, Requeue, Retry, RetryPolicy, decide
from gong_worker.domain.states import DeadLetterReason
from gong_worker.event_facts import event_facts, readable_facts
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
from gong_worker.queue.in_hand import ReceivedMessage
from gong_worker.queue.messages import Messages
from gong_worker.queue.part_holds import PartWatch

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
    parts: PartWatch
    policy: RetryPolicy
    lease_seconds: float
    stop: threading.Event
    now: Callable[[], datetime]
    """One clock for all workers: leases are judged by it."""
    worker: str
    """This worker's id, as its heartbeat has it."""
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        self.reports = GateReports(self.gate)
        self._admission = Admission(
            self.ledger, self.gate, self.reports, self.gong, self.consumer_pause, self.stop, self.now
        )
        self._claims_lock = threading.Lock()
        self._claims: dict[str, Claim] = {}

    def deliver(
        self, received: ReceivedMessage, *, next_until: float = 0.0, drop: bool = False
    ) -> ReceivedMessage | None:
        """Take one message to its end: acknowledged, retried later, or requeued. Raises only what is a defect.

        Before `next_until` (`time.monotonic()`) the next message is taken along with an acknowledgement, and
        returned: it is the caller's to deliver. `drop`: no call, a dead letter.
        """
        failpoint("received")
        try:
            if self.stop.is_set():
                raise Stopping
            ending = self._deliver(received, drop=drop)
        except Postponed as postponed:
            ending = End.REQUEUE if postponed.retry_seconds is None else RetryLater(postponed.retry_seconds)
        except Stopping:
            ending = End.REQUEUE
        except LedgerUnavailable as error:
            self._ledger_is_away(error)
            ending = End.REQUEUE
        except Exception:
            # A defect, or a value that no part foresaw, before there was a claim to count it on.
            self._log_failure(received)
            ending = End.FAIL
        return self._end(received, ending, next_until)

    def _end(self, received: ReceivedMessage, ending: Ending, next_until: float) -> ReceivedMessage | None:
        if ending is not End.ACKNOWLEDGE:
            self.reports.tell_delayed(received.tag)
        match ending:
            case End.ACKNOWLEDGE:
                return self._acknowledge(received, next_until)
            case RetryLater(seconds):
                self.messages.retry_later(received, seconds)
            case SetAside(part):
                self.messages.set_aside(received, part)
            case End.REQUEUE:
                self.messages.requeue(received)
            case End.FAIL:
                self.messages.fail(received, self.policy)
            case _:
                assert_never(ending)
        return None

    def _acknowledge(self, received: ReceivedMessage, next_until: float) -> ReceivedMessage | None:
        goes_on = not self.consumer_pause.paused and not self.stop.is_set()
        take_next = goes_on and time.monotonic() < next_until
        try:
            return acknowledge(self.messages, self.reports, received, take_next=take_next)
        except Exception:
            # A defect. The message comes again, and finds that the ledger has its event's end.
            self._log_failure(received)
            self.messages.fail(received, self.policy)
            return None

    def claims(self) -> list[Claim]:
        """The claims held right now, whose leases are to be renewed."""
        with self._claims_lock:
            return list(self._claims.values())

    def _deliver(self, received: ReceivedMessage, *, drop: bool) -> Ending:
        envelope = received.envelope
        if envelope.eta is not None and (wait := (envelope.eta - self.now()).total_seconds()) > 0:
            return RetryLater(wait)
        adopted = self.messages.adopt(received)
        if adopted is None:
            return End.REQUEUE
        received = adopted
        message = MessageRef(
            envelope.message_id, received.lane, received.enqueued_at, envelope.replay_of, envelope.source
        )
        try:
            event = ViewEvent.parse(envelope.event)
        except InvalidViewEvent as error:
            return self._invalid(received, message, str(error))
        if not drop and (part := self.parts.holding(event.reporting_system, event.content_id)) is not None:
            return SetAside(part)
        wire = event.wire()
        facts = event_facts(event, wire, self.ledger.hash_key())
        claim = self._claim(event.key, message, facts)
        if not isinstance(claim, Claim):
            return claim
        failpoint("claimed")
        if drop:
            decision = DeadLetterEvent(
                DeadLetterReason.DROPPED, ("dropped by an operator while it was held",)
            )
            return self._finish(received, Record(claim, None, None, decision, wire))
        return self._with_claim(received, claim, wire)

    def _invalid(self, received: ReceivedMessage, message: MessageRef, why: str) -> Ending:
        """An event that breaks the contract is a dead letter, under its event key where it has one."""
        event = received.envelope.event
        found = readable_facts(event, received.enqueued_at, self.ledger.hash_key())
        if found is None:
            self.ledger.dead_letter_message(
                json.dumps(event, ensure_ascii=False),
                message,
                reason_text=why,
                now=self.now(),
                reason=DeadLetterReason.INVALID,
            )
            return End.ACKNOWLEDGE
        claim = self._claim(found[0], message, found[1])
        if not isinstance(claim, Claim):
            return claim
        decision = DeadLetterEvent(DeadLetterReason.INVALID, (why,))
        return self._finish(received, Record(claim, None, None, decision, event))

    def _claim(self, key: EventKey, message: MessageRef, facts: EventFacts) -> Claim | Ending:
        """The event's claim; when there is nothing to be done now, how the message ends."""
        found = self.ledger.claim(key, message, facts, now=self.now(), lease_seconds=self.lease_seconds)
        match found:
            case AlreadyHandled():
                action = "duplicate" if found.duplicate else "redelivered"
                log.info("nothing to send", extra={"action": action, **log_names(key, message)})
                return End.ACKNOWLEDGE
            case Busy():
                # Longer than a lease means that the other waits for its next try: not before that is due.
                wait = (found.until - self.now()).total_seconds() - self.lease_seconds
                delay = max(wait, BUSY_SECONDS)
                log.info(
                    "claimed by another",
                    extra={"action": "busy", **log_names(key, message), "delay_seconds": round(delay, 1)},
                )
                return RetryLater(delay)
            case Claimed(claim):
                return claim
            case _:
                assert_never(found)

    def _with_claim(self, received: ReceivedMessage, claim: Claim, wire: dict[str, Any]) -> Ending:
        with self._claims_lock:
            self._claims[claim.token] = claim
        attempt_number: int | None = None
        started_at = self.now()
        wait_ms: int | None = None
        claimed = time.monotonic()
        try:
            attempt_number, slot = self._admission.wait_for_slot(received.lane, claim)
            started_at = self.now()
            wait_ms = round((time.monotonic() - claimed) * 1000)
            result = self.gong.send(wire)
            superseded = self.gong.superseded(result)
            own_fault = self.reports.report(slot, claim, result, tag=received.tag, superseded=superseded)
            decision = decide(
                result.outcome,
                claim.attempt_count,
                self.policy,
                self.jitter,
                own_fault=own_fault,
                superseded=superseded,
            )
            attempt = attempt_facts(result, started_at)
            return self._finish(received, Record(claim, attempt_number, attempt, decision, wire, wait_ms))
        except ClaimLost:
            # Our lease ran out (a frozen process, a ledger that was away) and another message took over.
            return RetryLater(BUSY_SECONDS)
        except (Stopping, Postponed, LedgerUnavailable):
            raise
        except Exception as error:
            # Counted like a call without an answer: backoff, then a dead letter.
            self._log_failure(received)
            result = CallResult(Ambiguous(f"the worker failed: {type(error).__name__}"), 0, None, None)
            decision = decide(result.outcome, claim.attempt_count, self.policy, self.jitter)
            attempt = attempt_facts(result, started_at)
            return self._finish(received, Record(claim, attempt_number, attempt, decision, wire, wait_ms))
        finally:
            with self._claims_lock:
                self._claims.pop(claim.token, None)

    def _finish(self, received: ReceivedMessage, record: Record) -> Ending:
        ours = self._write(received, record)
        failpoint("committed")
        now = self.now()
        trace_id = write_spans(record, received.envelope.trace, self.gong.address, now)
        record.log(worker=self.worker, now=now, ours=ours, trace_id=trace_id)
        failpoint("before_ack")
        return _ending(record.decision, ours=ours)

    def _log_failure(self, received: ReceivedMessage) -> None:
        log.exception(
            "delivery failed unexpectedly",
            extra={"action": "delivery_failed", "message_id": received.envelope.message_id},
        )

    def _write(self, received: ReceivedMessage, record: Record) -> bool:
        """Write the outcome, however long the ledger is away; True when the claim was still ours.

        The call happened. Until the ledger has it the message stays with us, renewed, so that no second call
        is made because bookkeeping failed.
        """
        while True:
            try:
                return record.write(self.ledger, self.now())
            except LedgerUnavailable as error:
                self.reports.tell_delayed(received.tag)
                self._ledger_is_away(error)
                if self.stop.wait(RETRY_SECONDS):
                    log.error(
                        "stopped before the ledger had the outcome; the event is sent again and a 409 settles it",
                        extra={
                            "action": "record_abandoned",
                            **log_names(record.claim.key, record.claim.message),
                        },
                    )
                    raise Stopping from None

    def _ledger_is_away(self, error: LedgerUnavailable) -> None:
        outage = LedgerOutage(self.ledger, self.lease_seconds)
        self.consumer_pause.pause(f"ledger: {error}", outage.over)


def _ending(decision: Decision, *, ours: bool) -> Ending:
    """What becomes of the message when the ledger has the decision; `ours`: the claim was not lost."""
    match decision:
        case DeadLetterEvent() if not ours:
            # Another message of this event took over meanwhile; what becomes of it decides about this one.
            return RetryLater(BUSY_SECONDS)
        case Complete() | DeadLetterEvent():
            return End.ACKNOWLEDGE
        case Retry():
            return RetryLater(decision.delay_seconds)
        case Requeue():
            return End.REQUEUE
        case _:
            assert_never(decision)
