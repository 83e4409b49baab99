"""When the backlog will be gone if nothing is added, or why nobody can tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gong_views.names import Lane
from gong_worker.domain.forecast import Batch, Budget, finished_at, paced
from gong_worker.domain.holds import PROBED, HoldReason, open_end
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


def drain(
    live: int,
    bulk: int,
    gate: GateStatus | None,
    *,
    workers: Sequence[Worker],
    ledger_answers: bool,
    last_due_at: datetime | None = None,
    held: int = 0,
) -> Drain:
    """The forecast with what is set aside for held parts (`held`), of which nobody knows when they are released."""
    rest = _moving(live, bulk, gate, workers=workers, ledger_answers=ledger_answers, last_due_at=last_due_at)
    if not held or rest.events is None:
        return rest
    others = f"by {rest.at:%Y-%m-%d %H:%M:%S} UTC" if rest.at is not None else f"unknown when ({rest.why})"
    why = f"{held} are set aside until their parts are released"
    return _unknown(rest.events + held, f"{why}; the others {others}" if rest.events else why)


def _moving(
    live: int,
    bulk: int,
    gate: GateStatus | None,
    *,
    workers: Sequence[Worker],
    ledger_answers: bool,
    last_due_at: datetime | None,
) -> Drain:
    """The forecast for so many calls of each lane; `gate` None: Redis refuses the writes without which no call is made.

    `last_due_at`: before it the last delayed message is not tried.
    """
    events = live + bulk
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
            return _unknown(events, f"held ({hold.reason.value}){open_end(hold.reason, hold.note)}")
    if not holds and all(worker.paused for worker in alive):
        return _unknown(events, f"every worker is paused ({alive[0].paused})")
    return forecast(live, bulk, gate, last_due_at=last_due_at)


def forecast(live: int, bulk: int, gate: GateStatus, *, last_due_at: datetime | None = None) -> Drain:
    """When so many calls are made, live before bulk, after the holds whose end is known."""
    batches = [_batch(live, gate, Lane.LIVE), _batch(bulk, gate, Lane.BULK)]
    budget = Budget(gate.now, gate.per_day_cap, gate.day_buckets)
    holds = [hold for hold in gate.holds if hold.mine]
    ends = [hold.until for hold in holds if hold.until and hold.reason is not HoldReason.DAILY_QUOTA]
    at = finished_at(batches, budget, not_before=max(ends, default=None))
    now = [batch for batch in batches if batch.calls]
    if at is None:
        rates = ", then ".join(f"{batch.rates[0][1]:.3g}" for batch in now)
        return _unknown(
            live + bulk, f"not within five years at {rates} calls a second and {gate.per_day_cap} a day"
        )
    unbounded = gate.now + timedelta(seconds=sum(batch.calls / batch.rates[-1][1] for batch in now))
    why = "at " + ", then ".join(f"{batch.rates[0][1]:.3g} calls a second" for batch in now)
    if at - unbounded > timedelta(hours=6):
        why += f" and {gate.per_day_cap} a day"
    if last_due_at is not None and last_due_at > at:
        at, why = last_due_at, "the last retry is due then"
    probes = [hold.reason.value for hold in holds if hold.reason in PROBED]
    if probes:
        return Drain(
            live + bulk, at, False, f"at the earliest: a probe decides when the hold ({probes[0]}) ends"
        )
    return Drain(live + bulk, at, True, why)


def _batch(calls: int, gate: GateStatus, lane: Lane) -> Batch:
    share = gate.shares[lane]
    return Batch(
        calls,
        tuple(
            (at, paced(count, gate.window_seconds, gate.margin_seconds))
            for at, count in ((gate.now, share.calls), *share.growth)
        ),
    )


def _unknown(events: int, why: str) -> Drain:
    return Drain(events, None, False, why)
