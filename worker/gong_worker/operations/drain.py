"""When the backlog will be gone if nothing is added, or why nobody can tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gong_worker.domain.forecast import Budget, finished_at, full_rate
from gong_worker.domain.holds import PROBED, HoldReason
from gong_worker.gate import GateStatus
from gong_worker.queue.workers import Worker


@dataclass(frozen=True, slots=True)
class Drain:
    """The forecast. `at` None: unknown. `certain` False with an `at`: at the earliest, a probe decides.

    events: what waits or is in hand; None when the queue does not answer.
    """

    events: int | None
    at: datetime | None
    certain: bool
    why: str


def budget_of(gate: GateStatus) -> Budget:
    """What the gate allows from now on, as the forecast needs it."""
    return Budget(
        now=gate.now,
        per_second=gate.current_rate,
        per_second_full=full_rate(gate.per_second_limit, gate.margin_seconds),
        regained=gate.regained_per_second,
        per_day=gate.per_day_cap,
        spent=gate.day_buckets,
    )


def drain(
    events: int,
    gate: GateStatus | None,
    *,
    workers: Sequence[Worker],
    ledger_answers: bool,
    last_due_at: datetime | None = None,
) -> Drain:
    """The forecast for so many calls; `gate` None: Redis refuses the writes without which no call is made.

    `last_due_at`: before it the last delayed message is not tried.
    """
    if gate is None:
        return _unknown(events, "Redis refuses writes")
    if events == 0:
        return Drain(0, gate.now, True, "nothing waits")
    alive = [worker for worker in workers if worker.alive]
    if not ledger_answers:
        return _unknown(events, "the ledger does not answer, and no call is made without it")
    if not alive:
        return _unknown(events, "no worker is alive")
    holds = [hold for hold in gate.holds if hold.mine]
    for hold in holds:
        if hold.until is None:
            return _unknown(events, f"held ({hold.reason.value}) until it is released")
    if not holds and all(worker.paused for worker in alive):
        return _unknown(events, f"every worker is paused ({alive[0].paused})")
    return forecast(events, gate, last_due_at=last_due_at)


def forecast(calls: int, gate: GateStatus, *, last_due_at: datetime | None = None) -> Drain:
    """When so many calls are made at the present rate, after the holds whose end is known."""
    budget = budget_of(gate)
    holds = [hold for hold in gate.holds if hold.mine]
    ends = [hold.until for hold in holds if hold.until and hold.reason is not HoldReason.DAILY_QUOTA]
    at = finished_at(calls, budget, not_before=max(ends, default=None))
    unbounded = gate.now + timedelta(seconds=calls / budget.per_second_full)
    why = f"at {min(budget.per_second, budget.per_second_full):.3g} calls a second"
    if at - unbounded > timedelta(hours=6):
        why += f" and {gate.per_day_cap} a day"
    if last_due_at is not None and last_due_at > at:
        at, why = last_due_at, "the last retry is due then"
    probes = [hold.reason.value for hold in holds if hold.reason in PROBED]
    if probes:
        return Drain(calls, at, False, f"at the earliest: a probe decides when the hold ({probes[0]}) ends")
    return Drain(calls, at, True, why)


def _unknown(events: int, why: str) -> Drain:
    return Drain(events, None, False, why)
