"""Reports to the gate of what calls came to. One that Redis does not take is kept, and told before anything else.

A Retry-After learned while Redis is away is known to this process alone. So the process asks for no slot, and
confirms none, before the gate has every report that is pending.
"""

import logging
import threading
import time
from dataclasses import dataclass, field, replace

from gong_worker.domain.outcomes import Delivered, Outcome, ServerError, Throttled
from gong_worker.gate import Gate, GateUnavailable, Slot
from gong_worker.gong import CallResult
from gong_worker.ledger import Claim

log = logging.getLogger(__name__)

# Below the least that the gate allows for a call without a report (GateSettings.margin_max_seconds).
ON_TIME_SECONDS = 0.02


def gate_key(reporting_system: str, event_id: str) -> str:
    """How the gate tells one event from another."""
    return f"{reporting_system}\x00{event_id}"


@dataclass(frozen=True)
class Report:
    """What became of one call."""

    slot: Slot
    key: str
    outcome: Outcome
    written_late_seconds: float | None
    reply_seconds: float | None
    superseded: bool = False
    learned_at: float = field(default_factory=time.monotonic)

    def tell(self, gate: Gate) -> bool:
        return gate.report(
            self.slot,
            self.key,
            self._as_of_now(),
            written_late_seconds=self.written_late_seconds,
            reply_seconds=self.reply_seconds,
            superseded=self.superseded,
        )

    def may_wait(self) -> bool:
        """Whether no other call depends on it: of an accepted event, no probe, and written when it was planned.

        Without the report the gate takes the call to have arrived up to its margin later; it must hear of more.
        """
        late = self.written_late_seconds
        on_time = late is not None and late <= ON_TIME_SECONDS
        return isinstance(self.outcome, Delivered) and not self.slot.probe and on_time

    def _as_of_now(self) -> Outcome:
        """The outcome with what is left of its Retry-After, which began when it was learned."""
        outcome = self.outcome
        if isinstance(outcome, Throttled | ServerError) and outcome.retry_after_seconds is not None:
            left = outcome.retry_after_seconds - (time.monotonic() - self.learned_at)
            return replace(outcome, retry_after_seconds=max(0.0, left))
        return outcome


class GateReports:
    """The reports of one worker process."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._lock = threading.Lock()
        self._pending: list[Report] = []
        self._delayed: dict[str, Report] = {}
        self._failed: tuple[float, GateUnavailable] | None = None

    def report(
        self, slot: Slot, claim: Claim, result: CallResult, *, tag: str, superseded: bool = False
    ) -> bool:
        """Tell the gate, now or as soon as Redis takes it. True when it takes a refusal for the event's own fault.

        That of an accepted event waits for the end of the message with this delivery tag, to be told in the same
        round trip: whoever ends the message takes it from `delayed`, or has it told by `tell_delayed`.
        """
        late = None if result.written_at is None else result.written_at - slot.at
        reply = result.reply_seconds
        if reply is None and result.written_at is not None:
            reply = time.monotonic() - result.written_at
        report = Report(slot, gate_key(*claim.key), result.outcome, late, reply, superseded)
        if report.may_wait():
            with self._lock:
                self._delayed[tag] = report
            return False
        if getattr(result.outcome, "retry_after_seconds", None) is None:
            return self._tell(report)
        # Pending from the first moment: another thread may reach a Redis that has just come back.
        with self._lock:
            self._pending.append(report)
        try:
            self.flush()
        except GateUnavailable as error:
            self._log(report, error)
        return False

    def flush(self) -> None:
        """Tell what is pending, in its order; raises GateUnavailable while Redis is away."""
        while self._pending:
            asked = time.monotonic()
            with self._lock:
                if not self._pending:
                    return
                if self._failed is not None and self._failed[0] > asked:
                    raise self._failed[1]  # another thread has tried it meanwhile
                try:
                    self._pending[0].tell(self._gate)
                except GateUnavailable as error:
                    self._failed = time.monotonic(), error
                    raise
                except Exception:
                    # A defect must not keep every later call from being made.
                    log.exception("the gate cannot be told", extra={"action": "report_dropped"})
                self._pending.pop(0)

    def delayed(self, tag: str) -> Report | None:
        """The report that waits for the end of this message, which is the caller's business from now on."""
        with self._lock:
            return self._delayed.pop(tag, None)

    def tell_delayed(self, tag: str) -> None:
        """Tell it without waiting any longer."""
        if (report := self.delayed(tag)) is not None:
            self._tell(report)

    def command(self, report: Report) -> bytes:
        """The report packed, to be sent together with other commands; then `replied`."""
        return self._gate.report_command(
            report.slot,
            report.key,
            report.outcome,
            written_late_seconds=report.written_late_seconds,
            reply_seconds=report.reply_seconds,
        )

    def replied(self, report: Report, reply: object) -> None:
        """The reply to it, or the error of redis-py that came instead of one: then it is told again."""
        try:
            if not self._gate.has_report(reply):
                self._tell(report)
        except GateUnavailable as error:
            self._keep(report, error)

    def _tell(self, report: Report) -> bool:
        try:
            return report.tell(self._gate)
        except GateUnavailable as error:
            self._keep(report, error)
            return False

    def _keep(self, report: Report, error: GateUnavailable) -> None:
        with self._lock:
            self._pending.append(report)
        self._log(report, error)

    def _log(self, report: Report, error: GateUnavailable) -> None:
        log.warning(
            "the gate is told later, before any other call",
            extra={
                "action": "report_failed",
                "outcome": type(report.outcome).__name__.lower(),
                "error": str(error),
            },
        )
