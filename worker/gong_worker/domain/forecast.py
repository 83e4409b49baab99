"""When a number of calls will be made: a simulation of the gate's pace and rolling day. Pure; every time is UTC."""

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

BUCKET_SECONDS = 300
# A bucket's calls count until its last one is 24 h and a minute old (docs/pacing.md).
BUCKET_LIFE_SECONDS = BUCKET_SECONDS + 86_400 + 60
_NOTHING = 1e-6
# Nobody plans further ahead.
HORIZON_SECONDS = 5 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class Batch:
    """So many calls, made one after another at so many calls/s from each moment on; the first of them is now."""

    calls: int
    rates: tuple[tuple[datetime, float], ...]


@dataclass(frozen=True, slots=True)
class Budget:
    """What the gate allows of a rolling day from `now` on.

    per_day: calls that are ours, the reserve for others taken off.
    spent: calls of the day so far, by the start of their five-minute bucket.
    """

    now: datetime
    per_day: int
    spent: tuple[tuple[datetime, int], ...]


def paced(calls: int, window_seconds: float, margin_seconds: float) -> float:
    """Calls/s that keep the law of docs/pacing.md: so many calls in a window and the margin."""
    return calls / (window_seconds + margin_seconds)


def finished_at(
    batches: Iterable[Batch], budget: Budget, *, not_before: datetime | None = None
) -> datetime | None:
    """When the last call is made, if the batches are made one after another and nothing else is.

    None: not within five years.

    Each five-minute bucket takes what the rate gives and the rolling day still allows; calls that are a day
    old are allowed again. `not_before`: the end of a hold.
    """
    batches = list(batches)
    pace = sum(batch.calls / max(rate for _, rate in batch.rates) for batch in batches)
    days = sum(batch.calls for batch in batches) / max(budget.per_day, _NOTHING) - 1
    if (
        max(pace, days * BUCKET_LIFE_SECONDS) > HORIZON_SECONDS
    ):  # which a simulation would take long to find out
        return None
    horizon = budget.now.timestamp() + HORIZON_SECONDS
    at = max(moment.timestamp() for moment in (budget.now, not_before) if moment is not None)
    # When calls stop counting, and how many.
    freed = [
        (moment.timestamp() + BUCKET_LIFE_SECONDS, float(count)) for moment, count in budget.spent if count
    ]
    heapq.heapify(freed)
    used = sum(count for _, count in freed)
    for batch in batches:
        rates = [(moment.timestamp(), rate) for moment, rate in batch.rates]
        left, step = float(batch.calls), 0
        while left > _NOTHING:
            if at > horizon:
                return None
            while step + 1 < len(rates) and rates[step + 1][0] <= at:
                step += 1
            while freed and freed[0][0] <= at:
                used -= heapq.heappop(freed)[1]
            allowed = budget.per_day - used
            if allowed < _NOTHING:
                at = freed[0][0]
                continue
            rate = rates[step][1]
            bucket = math.floor(at / BUCKET_SECONDS) * BUCKET_SECONDS
            ends = [float(bucket + BUCKET_SECONDS)]
            ends += [freed[0][0]] if freed else []
            ends += [rates[step + 1][0]] if step + 1 < len(rates) else []
            made = min(left, allowed, rate * (min(ends) - at))
            heapq.heappush(freed, (bucket + BUCKET_LIFE_SECONDS, made))
            left, used = left - made, used + made
            at = at + made / rate if made < rate * (min(ends) - at) else min(ends)
    return datetime.fromtimestamp(at, UTC)
