"""What becomes of an event after one call: the outcome table as code."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from gong_worker.domain.outcomes import (
    AlreadyReported,
    Ambiguous,
    Delivered,
    Misconfigured,
    Outcome,
    Rejected,
    ServerError,
    Throttled,
    Unauthorized,
    Unreachable,
)
from gong_worker.domain.states import DeadLetterReason, Resolution


@dataclass(frozen=True, slots=True)
class Complete:
    """Gong has the event; `resolution` says how it came to know."""

    resolution: Resolution
    integration_id: int | None = None


@dataclass(frozen=True, slots=True)
class DeadLetterEvent:
    """To the dead letters, with what Gong said."""

    reason: DeadLetterReason
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """Again after `delay_seconds`; `spent` tells whether this call counts against the attempts."""

    delay_seconds: float
    spent: bool


@dataclass(frozen=True, slots=True)
class Requeue:
    """Back to the head of its lane, nothing spent: the pipeline is held, not the event at fault."""


Decision = Complete | DeadLetterEvent | Retry | Requeue


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Attempts and backoff: `base · 2^(n-1)` seconds up to `maximum`, of which the upper half is jitter."""

    max_attempts: int = 8
    base_seconds: float = 5.0
    max_seconds: float = 900.0

    def delay_seconds(self, attempts_spent: int, jitter: Callable[[], float]) -> float:
        """Seconds to wait after `attempts_spent` spent attempts (at least 1); `jitter()` is in [0, 1)."""
        exponent = min(max(attempts_spent, 1) - 1, 40)
        ceiling = min(self.max_seconds, self.base_seconds * 2.0**exponent)
        return ceiling * (0.5 + jitter() / 2)


def decide(
    outcome: Outcome,
    attempts_spent: int,
    policy: RetryPolicy,
    jitter: Callable[[], float],
    *,
    own_fault: bool = False,
    superseded: bool = False,
) -> Decision:
    """What becomes of the event; `attempts_spent` counts those before this call.

    own_fault: the gate saw other events succeed with the same credential and address while this one was refused.
    superseded: the refusal was of a credential that no call goes out with any more.
    """
    match outcome:
        case Delivered():
            return Complete(Resolution.ACCEPTED, outcome.integration_id)
        case AlreadyReported():
            return Complete(Resolution.ALREADY_REPORTED)
        case Rejected():
            return DeadLetterEvent(DeadLetterReason.REJECTED, outcome.errors)
        case Throttled():
            return Requeue()
        case Unauthorized() if superseded:
            return Requeue()
        case Unauthorized() | Misconfigured():
            spent = attempts_spent + own_fault
            if own_fault and spent >= policy.max_attempts:
                return DeadLetterEvent(DeadLetterReason.REFUSED, _refusal(outcome))
            # Never at once: whatever waits behind it goes first.
            return Retry(policy.delay_seconds(spent, jitter), spent=own_fault)
        case ServerError() | Ambiguous():
            spent = attempts_spent + 1
            if spent >= policy.max_attempts:
                return DeadLetterEvent(DeadLetterReason.EXHAUSTED, (_exhausted_text(outcome),))
            return Retry(policy.delay_seconds(spent, jitter), spent=True)
        case Unreachable():
            return Retry(policy.delay_seconds(attempts_spent, jitter), spent=False)
        case _:
            assert_never(outcome)


def _exhausted_text(outcome: ServerError | Ambiguous) -> str:
    if isinstance(outcome, ServerError):
        return f"the last of the attempts was answered with HTTP {outcome.http_status}"
    return f"the last of the attempts had no answer of Gong's: {outcome.error}"


def _refusal(outcome: Unauthorized | Misconfigured) -> tuple[str, ...]:
    why = f"refused with HTTP {outcome.http_status}, again and again, while other events were accepted"
    return (why, *outcome.errors) if isinstance(outcome, Unauthorized) else (why,)
