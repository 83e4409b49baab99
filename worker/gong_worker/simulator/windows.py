"""Counting calls in a window that slides: the strictest reading of "so many calls per second"."""

from collections import deque
from collections.abc import Iterable


def max_in_sliding_second(arrivals: Iterable[float]) -> int:
    """The most arrivals (seconds, any order) in any half-open interval of one second.

    Two arrivals exactly one second apart never share an interval.
    """
    times = sorted(arrivals)
    most = first = 0
    for last, time in enumerate(times):
        while times[first] + 1.0 <= time:
            first += 1
        most = max(most, last - first + 1)
    return most


class SlidingWindow:
    """The calls of the last `seconds`, on whichever clock the caller passes."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque()

    def would_hold(self, now: float) -> int:
        """How many calls the window ending `now` would hold if one arrived now."""
        times = self._times
        while times and times[0] + self._seconds <= now:
            times.popleft()
        return len(times) + 1

    def add(self, now: float) -> int:
        """Count a call that arrived `now`; how many the window holds with it."""
        times = self._times
        # Two connections may be read in one turn of the loop, the later byte first: keep the order.
        at = len(times)
        while at and times[at - 1] > now:
            at -= 1
        times.insert(at, now)
        return self.would_hold(times[-1]) - 1

    def free_in(self, now: float, limit: int) -> float:
        """Seconds until a call would be within `limit`, if none arrives meanwhile."""
        excess = self.would_hold(now) - limit
        if excess <= 0:
            return 0.0
        if limit <= 0:
            return self._seconds
        return self._times[excess - 1] + self._seconds - now
