"""The pipeline of one delivery.

Whatever happens, a message leaves the queue only after the ledger has the event's end (or, for one that
waits, its next attempt). Nothing here knows Redis, SQL or HTTP; it knows in which order they must happen.
"""

import hashlib
import json
import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, assert_never

from gong_views import InvalidViewEvent, ViewEvent
from gong_worker.deliver.admission import Turn
from gong_worker.deliver.interrupts import RETRY_SECONDS, Postponed, Stopping, gate_key
from gong_worker.deliver.record import Record, attempt_facts
from gong_worker.domain.policy import Bury, GiveBack, Retry, RetryPolicy, Settle, decide
from gong_worker.failpoints import reached
from gong_worker.gate import Gate, GateUnavailable, Slot
from gong_worker.gong import Answer, GongClient
from gong_worker.ledger import (
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
from gong_worker.queue.consumer_pause import Intake
from gong_worker.queue.messages import Delivery, Mailroom

log = logging.getLogger(__name__)

# A message that finds its event in another's hands looks again this often.
BUSY_SECONDS = 1.0


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
        self._turn = Turn(self.ledger, self.gate, self.gong, self.intake, self.stop, self.now)
        self._claims_lock = threading.Lock()
        self._claims: dict[str, Claim] = {}

    def deliver(self, delivery: Delivery) -> None:
        """Take one delivery to its end: acknowledged, parked, or given back. Raises nothing that is expected."""
        reached("received")
        try:
            if self.stop.is_set():
                raise Stopping
            self._deliver(delivery)
        except (Stopping, Postponed):
            self.mailroom.give_back(delivery)
        except LedgerUnavailable as error:
            self._ledger_is_away(error)
            self.mailroom.give_back(delivery)

    def claims(self) -> list[Claim]:
        """The claims held right now, for the housekeeper to renew."""
        with self._claims_lock:
            return list(self._claims.values())

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
                action = "duplicate" if found.duplicate else "redelivered"
                log.info("nothing to send", extra={"action": action, "event_id": event.event_id})
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
            attempt_number, slot = self._turn.take(delivery.lane, claim)
            started_at = self.now()
            answer = self.gong.send(wire)
            self._report(slot, claim, answer)
            decision = decide(answer.outcome, claim.attempt_count, self.policy, self.jitter)
            record = Record(claim, attempt_number, attempt_facts(answer, started_at), decision, wire)
            ours = self._write(record)
            reached("committed")
            record.log()
            reached("before_ack")
            self._end(delivery, record, ours=ours)
        except ClaimLost:
            # Our lease ran out (a frozen process, a ledger that was away) and another message took over.
            self.mailroom.park(delivery, BUSY_SECONDS)
        finally:
            with self._claims_lock:
                self._claims.pop(claim.token, None)

    def _report(self, slot: Slot, claim: Claim, answer: Answer) -> None:
        """Tell the gate, before anything else can fail: a Retry-After holds every other worker."""
        late = None if answer.written_at is None else answer.written_at - slot.at
        try:
            self.gate.report(
                slot,
                gate_key(*claim.key),
                answer.outcome,
                written_late_seconds=late,
                reply_seconds=answer.reply_seconds,
            )
        except GateUnavailable as error:
            log.warning("gate not told", extra={"action": "report_failed", "error": str(error)})

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

    def _end(self, delivery: Delivery, record: Record, *, ours: bool) -> None:
        match record.decision:
            case Bury() if not ours:
                # Another message of this event took over meanwhile; what becomes of it decides about this one.
                self.mailroom.park(delivery, BUSY_SECONDS)
            case Settle() | Bury():
                self.mailroom.acknowledge(delivery)
            case Retry():
                self.mailroom.park(delivery, record.decision.delay_seconds)
            case GiveBack():
                self.mailroom.give_back(delivery)
            case _:
                assert_never(record.decision)

    def _ledger_is_away(self, error: LedgerUnavailable) -> None:
        self.intake.pause(f"ledger: {error}", self._ledger_answers)

    def _ledger_answers(self) -> bool:
        try:
            self.ledger.ping()
        except LedgerUnavailable:
            return False
        return True


def payload_sha256(wire: dict[str, Any]) -> str:
    """Tells whether two payloads are the same, without keeping them."""
    text = json.dumps(wire, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
