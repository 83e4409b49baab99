"""One outcome into the ledger: attempt and new state in one transaction, and the canonical log line."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, assert_never

from gong_worker.domain.outcomes import Ambiguous, Unreachable, outcome_name
from gong_worker.domain.policy import Complete, DeadLetterEvent, Decision, Requeue, Retry
from gong_worker.gong import CallResult
from gong_worker.ledger import AttemptFacts, Claim, Ledger

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """What one delivery came to; without `attempt_number` no call was begun."""

    claim: Claim
    attempt_number: int | None
    attempt: AttemptFacts | None
    decision: Decision
    payload: dict[str, Any]

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

    def log(self) -> None:
        """One line per attempt, the decision folded in."""
        claim, attempt, decision = self.claim, self.attempt, self.decision
        log.info(
            "attempt" if attempt else "not sent",
            extra={
                "action": "attempt" if attempt else "not_sent",
                "reporting_system": claim.key.reporting_system,
                "event_id": claim.key.event_id,
                "message_id": claim.message.message_id,
                "lane": claim.message.lane.value,
                "attempt_number": self.attempt_number,
                "outcome": attempt and attempt.outcome,
                "http_status": attempt and attempt.http_status,
                "request_id": attempt and attempt.request_id,
                "duration_ms": attempt and attempt.duration_ms,
                "decision": type(decision).__name__.lower(),
                "delay_seconds": round(decision.delay_seconds, 1) if isinstance(decision, Retry) else None,
            },
        )


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
