"""What a number of calls costs: of the day's budget, and of time."""

from dataclasses import dataclass
from datetime import datetime

from redis import RedisError

from gong_views.errors import GongViewsError
from gong_views.names import Lane
from gong_worker.operations.drain import drain, forecast
from gong_worker.operations.services import Services, open_services
from gong_worker.operations.workers_gate import gate_of_workers
from gong_worker.queue import inspect
from gong_worker.queue.workers import read_workers


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls and when the last of them is made, by the limits in force and behind what already waits.

    backlog: messages that go before. left_today: calls of the rolling day that are still ours.
    done_at: at the present rate; certain: False when a probe decides; why: how it was reckoned.
    blocked: why no call is made at present although `done_at` is given; None otherwise.
    """

    calls: int
    backlog: int
    left_today: int
    done_at: datetime | None
    certain: bool
    why: str
    blocked: str | None


def cost_if_known(calls: int, lane: Lane) -> Cost | None:
    """As `cost`, of the environment's queue and ledger; None when they are not to be had."""
    try:
        return cost(open_services(), calls, lane)
    except (GongViewsError, RedisError):
        return None


def cost(services: Services, calls: int, lane: Lane) -> Cost:
    """Raises RedisError, GateUnavailable; LedgerUnavailable when the day has to be counted from the ledger."""
    workers = read_workers(services.client)
    gate = gate_of_workers(services, workers)
    counts = inspect.count(services.client)
    # Live goes before bulk, so that a live call waits for what is live alone, and for what may be.
    others = counts.unacked + counts.delayed
    live, bulk = counts.live + others + calls, 0
    if lane is Lane.BULK:
        live, bulk = counts.live, counts.bulk + counts.unreadable + others + calls
    backlog = live + bulk - calls
    now = drain(live, bulk, gate, workers=workers, ledger_answers=True, last_due_at=None)
    reckoned = now
    if now.at is None and all(hold.until is not None for hold in gate.holds if hold.mine):
        reckoned = forecast(live, bulk, gate)
    left_today = max(0, gate.per_day_cap - gate.last_24h)
    blocked = now.why if now.at is None else None
    return Cost(calls, backlog, left_today, reckoned.at, reckoned.certain, reckoned.why, blocked)
