"""Admission of an event to its call: a confirmed slot of the gate, with the attempt's row written before it."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from gong_views.names import Lane
from gong_worker.deliver.outage import GateOutage
from gong_worker.deliver.reports import GateReports, gate_key
from gong_worker.domain.holds import HoldReason
from gong_worker.failpoints import failpoint
from gong_worker.gate import Gate, GateUnavailable, Go, Held, Lapsed, Later, Slot
from gong_worker.gong import GongClient
from gong_worker.ledger import Claim, ClaimLost, Ledger, LedgerUnavailable
from gong_worker.queue.consumer_pause import ConsumerPause
from gong_worker.settings import LONGEST_HOLD_SECONDS

log = logging.getLogger(__name__)

# How often a Redis or a ledger that does not answer is tried again.
RETRY_SECONDS = 0.5
# How often an access token is looked for that is being renewed.
ACCESS_SECONDS = 0.05


class Stopping(Exception):
    """The process stops before the call: the message is requeued, no attempt is spent."""


class Postponed(Exception):
    """The gate is held for long: the message is requeued and the consumer paused, no attempt is spent.

    With `retry_seconds` only this message is put off for so long: any other may go first.
    """

    def __init__(self, retry_seconds: float | None = None) -> None:
        self.retry_seconds = retry_seconds


@dataclass(frozen=True)
class Admission:
    """What `wait_for_slot` needs of the process."""

    ledger: Ledger
    gate: Gate
    reports: GateReports
    gong: GongClient
    consumer_pause: ConsumerPause
    stop: threading.Event
    now: Callable[[], datetime]
    outage: GateOutage = field(default_factory=GateOutage)

    def wait_for_slot(self, lane: Lane, claim: Claim) -> tuple[int, Slot]:
        """The attempt's number and the slot; the call comes right after.

        Raises Stopping, Postponed, ClaimLost or LedgerUnavailable; then no call is to be made, and the claim
        is released as far as the ledger can be reached.
        """
        while True:
            slot = self._slot(lane, claim)
            failpoint("slot")
            try:
                attempt_number = self.ledger.begin_attempt(claim, now=self.now())
            except (ClaimLost, LedgerUnavailable):
                self._refund(slot)
                raise
            failpoint("attempt_row")
            match self._confirm(slot, claim, attempt_number):
                case Go():
                    return attempt_number, slot
                case Held() | Lapsed():
                    # No call was made: the row goes, and with it the next begin checks the claim again.
                    self.ledger.cancel_attempt(claim, attempt_number)

    def _confirm(self, slot: Slot, claim: Claim, attempt_number: int) -> Go | Held | Lapsed:
        self.gong.warm()
        if self.stop.wait(max(0.0, slot.at - time.monotonic())):
            self._refund(slot)
            self._quietly(lambda: self.ledger.cancel_attempt(claim, attempt_number))
            self._release(claim)
            raise Stopping
        if not self.gong.ready():
            self._refund(slot)
            return Lapsed("no access token")
        try:
            self.reports.flush()
            return self.gate.confirm(slot)
        except GateUnavailable as error:
            self.outage.begins(error)
            return Lapsed("unconfirmed")

    def _slot(self, lane: Lane, claim: Claim) -> Slot:
        while True:
            self._wait_for_access(claim)
            try:
                self.reports.flush()
                answer = self.gate.acquire(lane, gate_key(*claim.key))
            except GateUnavailable as error:
                self.outage.begins(error)
                self._wait(RETRY_SECONDS, claim)
                continue
            self.outage.ends()
            match answer:
                case Slot():
                    return answer
                case Later():
                    self._wait(answer.retry_in_seconds, claim)
                case Held(gives_way=True):
                    self.ledger.release_claim(claim, now=self.now())
                    raise Postponed(answer.retry_in_seconds)
                case Held() if answer.until is not None and answer.retry_in_seconds <= LONGEST_HOLD_SECONDS:
                    self._wait(answer.retry_in_seconds, claim)
                case Held():
                    self.ledger.release_claim(claim, now=self.now())
                    self.consumer_pause.pause(answer.reason.value, self._gate_opens)
                    raise Postponed
                case _:
                    assert_never(answer)

    def _wait_for_access(self, claim: Claim) -> None:
        """No slot is asked for without an access token: a renewal takes a moment, a new login its time."""
        deadline = time.monotonic() + LONGEST_HOLD_SECONDS
        while not self.gong.ready():
            if time.monotonic() > deadline:
                self.ledger.release_claim(claim, now=self.now())
                self.consumer_pause.pause(HoldReason.UNAUTHORIZED.value, self._gate_opens)
                raise Postponed
            self._wait(ACCESS_SECONDS, claim)

    def _wait(self, seconds: float, claim: Claim) -> None:
        if self.stop.wait(seconds):
            self._release(claim)
            raise Stopping

    def _release(self, claim: Claim) -> None:
        self._quietly(lambda: self.ledger.release_claim(claim, now=self.now()))

    def _refund(self, slot: Slot) -> None:
        self._quietly(lambda: self.gate.refund(slot))

    def _quietly(self, action: Callable[[], object]) -> None:
        # Best effort: a failure costs one lease or one slot.
        try:
            action()
        except (LedgerUnavailable, GateUnavailable, ClaimLost) as error:
            log.info("not undone", extra={"action": "undo_failed", "error": type(error).__name__})

    def _gate_opens(self) -> bool:
        try:
            return self.gong.ready() and not isinstance(self.gate.peek(), Held)
        except GateUnavailable:
            return False
