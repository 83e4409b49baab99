"""Redis's clock decides slots, this process's monotonic clock waits for them: how one maps to the other."""

import threading
import time

# Two good quartz clocks drift apart by no more than this, in seconds per second.
_DRIFT = 100e-6


class Clock:
    """The real clock. Tests pass one of their own, whose `redis_now` then also decides in the scripts."""

    def monotonic(self) -> float:
        """Seconds of this process's monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait, without busy polling."""
        time.sleep(seconds)

    def redis_now(self) -> int | None:
        """Microseconds to be used instead of Redis's TIME; None in production."""
        return None


class RedisClock:
    """Where Redis's clock stands against ours, learned from the replies of the scripts.

    Each round trip says: Redis's `now` was some moment between sending and receiving. The offset (Redis minus
    ours) is therefore at least `now - received` and at most `now - sent`. The highest lower bound is kept: it
    comes from the quickest reply, so that the jitter of the Redis connection does not reach the calls, and it
    maps a slot to a local time that is never early.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._least: float | None = None
        self._since = 0.0

    def observe(self, sent: float, received: float, redis_us: int) -> None:
        """Learn from one round trip; times in local seconds, `redis_us` in microseconds."""
        now = redis_us / 1e6
        least, most = now - received, now - sent
        with self._lock:
            if self._least is not None:
                faded = self._least - _DRIFT * max(0.0, received - self._since)
                # Above what this round trip allows: Redis's clock was set back, or it is another Redis.
                if least < faded <= most:
                    least = faded
            self._least, self._since = least, received

    def to_local(self, redis_us: int) -> float:
        """The local monotonic time at which Redis's clock will certainly have reached `redis_us`."""
        with self._lock:
            assert self._least is not None, "a reply was observed before"
            return redis_us / 1e6 - self._least
