"""One outcome into the ledger: attempt and new state in one transaction, and the canonical log line."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

from gong_views import EventKey
from gong_worker.domain.outcomes import Ambiguous, Unreachable, outcome_name
from gong_worker.domain.policy import Complete, DeadLetterEvent, Decision, Requeue, Retry
from gong_worker.gong import CallResult
from gong_worker.ledger import AttemptFacts, Claim, Ledger, MessageRef

log = logging.getLogger(__name__)


class DecisionName(StrEnum):
    """What becomes of the event, as a log line's `decision` says it: it stays as it is."""

    DELIVERED = "delivered"
    DEAD_LETTER = "dead_letter"
    RETRY = "retry"
    HELD = "held"


@dataclass(frozen=True)
class Record:
    """What one delivery came to; without `attempt_number` no call was begun."""

    claim: Claim
    attempt_number: int | None
    attempt: AttemptFacts | None
    decision: Decision
    payload: dict[str, Any]
    wait_ms: int | None = None
    """From the event's claim to its call: the gate's pace, its holds, and the bookkeeping before a call."""

    def write(self, ledger: Ledger, now: datetime) -> bool:
        """Write it; True when the claim was still ours. Raises LedgerUnavailable."""
        claim, number, attempt, decision = self.claim, self.attempt_number, self.attempt, self.decision
        match decision:
            case Complete():
                if number is None or attempt is None:
                    raise ValueError("only a call can show that Gong has an event")
                return ledger.complete(
                    claim,
                    number,
                    attempt,
                    now=now,
                    resolution=decision.resolution,
                    integration_id=decision.integration_id,
                )
            case DeadLetterEvent():
                return ledger.dead_letter_event(
                    claim,
                    number,
                    attempt,
                    now=now,
                    reason=decision.reason,
                    errors=list(decision.errors),
                    payload=self.payload,
                )
            case Retry():
                due = now + timedelta(seconds=decision.delay_seconds)
                return ledger.defer(
                    claim, number, attempt, now=now, next_attempt_at=due, spent=decision.spent
                )
            case Requeue():
                return ledger.defer(claim, number, attempt, now=now, next_attempt_at=now, spent=False)
            case _:
                assert_never(decision)

    def log(self, *, worker: str, now: datetime, ours: bool, trace_id: str | None) -> None:
        """One line per attempt, the decision folded in; `ours` is what `write` gave back."""
        claim, attempt = self.claim, self.attempt
        action = "attempt" if attempt else "not_sent"
        fields: dict[str, Any] = {"action": action, **log_names(claim.key, claim.message)}
        if attempt:
            fields |= {
                "attempt_number": self.attempt_number,
                "outcome": attempt.outcome,
                "http_status": attempt.http_status,
                "request_id": attempt.request_id,
                "error": attempt.error,
                "duration_ms": attempt.duration_ms,
                "wait_ms": self.wait_ms,
            }
        # The clocks of two machines: one that is behind makes no age below nothing.
        fields["age_ms"] = max(0, round((now - claim.message.enqueued_at).total_seconds() * 1000))
        fields |= self.decided(now)
        if not ours:
            fields["claim_lost"] = True
        fields["worker"] = worker
        fields["trace_id"] = trace_id
        log.info(action, extra=fields)

    def decided(self, now: datetime) -> dict[str, str | float | bool]:
        """The decision as the log and the traces have it: its name, and what belongs to it."""
        decision = self.decision
        match decision:
            case Complete():
                return {"decision": DecisionName.DELIVERED.value}
            case DeadLetterEvent():
                return {"decision": DecisionName.DEAD_LETTER.value, "reason": decision.reason.value}
            case Retry():
                due = now + timedelta(seconds=decision.delay_seconds)
                return {
                    "decision": DecisionName.RETRY.value,
                    "delay_seconds": round(decision.delay_seconds, 1),
                    "next_attempt_at": due.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    "spent": decision.spent,
                }
            case Requeue():
                return {"decision": DecisionName.HELD.value}
            case _:
                assert_never(decision)


def log_names(key: EventKey, message: MessageRef) -> dict[str, str]:
    """What a line about one event and its message begins with."""
    return {
        "reporting_system": key.reporting_system,
        "event_id": key.event_id,
        "message_id": message.message_id,
        "lane": message.lane.value,
    }


def attempt_facts(result: CallResult, started_at: datetime) -> AttemptFacts:
    """What the ledger keeps of a call."""
    outcome = result.outcome
    return AttemptFacts(
        outcome=outcome_name(outcome),
        http_status=getattr(outcome, "http_status", None),
        request_id=getattr(outcome, "request_id", None),
        error=outcome.error if isinstance(outcome, Unreachable | Ambiguous) else None,
        duration_ms=result.duration_ms,
        started_at=started_at,
    )
