"""When a number of calls will be made: a simulation of the gate's pace and rolling day. Pure; every time is UTC."""

import heapq
import math
from dataclasses import dataclass
from datetime import UTC, datetime

BUCKET_SECONDS = 300
# A bucket's calls count until its last one is 24 h and a minute old (docs/pacing.md).
BUCKET_LIFE_SECONDS = BUCKET_SECONDS + 86_400 + 60
_NOTHING = 1e-6


@dataclass(frozen=True, slots=True)
class Budget:
    """What the gate allows from `now` on.

    per_second: calls/s at present; below `per_second_full` after a 429, and regained by `regained` each second.
    per_day: calls of a rolling day that are ours, the reserve for others taken off.
    spent: calls of the day so far, by the start of their five-minute bucket.
    """

    now: datetime
    per_second: float
    per_second_full: float
    regained: float
    per_day: int
    spent: tuple[tuple[datetime, int], ...]


def full_rate(per_second_limit: float, margin_seconds: float) -> float:
    """Calls/s that keep the law of docs/pacing.md: whole calls in a second and the margin, or one in a window."""
    count = max(1, math.floor(per_second_limit))
    window = 1.0 if per_second_limit >= 1 else 1 / per_second_limit
    return count / (window + margin_seconds)


def finished_at(calls: int, budget: Budget, *, not_before: datetime | None = None) -> datetime:
    """When the last of so many calls is made, if they are made one after another and nothing else is.

    Each five-minute bucket takes what the rate gives and the rolling day still allows; calls that are a day
    old are allowed again. `not_before`: the end of a hold.
    """
    at = max(moment.timestamp() for moment in (budget.now, not_before) if moment is not None)
    # When calls stop counting, and how many.
    freed = [
        (moment.timestamp() + BUCKET_LIFE_SECONDS, float(count)) for moment, count in budget.spent if count
    ]
    heapq.heapify(freed)
    used = sum(count for _, count in freed)
    rate, full = min(budget.per_second, budget.per_second_full), budget.per_second_full
    left = float(calls)
    while left > _NOTHING:
        while freed and freed[0][0] <= at:
            used -= heapq.heappop(freed)[1]
        if full - rate < _NOTHING:
            rate = full
        allowed = budget.per_day - used
        if allowed < _NOTHING:
            rate = min(full, rate + budget.regained * (freed[0][0] - at))
            at = freed[0][0]
            continue
        bucket = math.floor(at / BUCKET_SECONDS) * BUCKET_SECONDS
        ends = [float(bucket + BUCKET_SECONDS), *(moment for moment, _ in freed[:1])]
        if rate < full and budget.regained > 0:
            ends.append(at + (full - rate) / budget.regained)
        step = min(ends) - at
        mean = (rate + min(full, rate + budget.regained * step)) / 2
        made = min(left, allowed, mean * step)
        if made < mean * step:
            step = made / mean
        heapq.heappush(freed, (bucket + BUCKET_LIFE_SECONDS, made))
        left, used, at = left - made, used + made, at + step
        rate = min(full, rate + budget.regained * step)
    return datetime.fromtimestamp(at, UTC)
