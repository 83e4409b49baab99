"""The limiters that benchmarks/gate.py compares: each waits until a call may be written, then hears how it went."""

import time
from collections.abc import Callable
from typing import Protocol

import redis
from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from pyrate_limiter import GCRA, Limiter, Rate, RedisBucket, RedisStateStore, StateBucket
from throttled import RateLimiterType, Throttled, per_sec
from throttled.store import RedisStore

from gong_views.names import Lane
from gong_worker.domain.outcomes import Delivered
from gong_worker.domain.outcomes import Throttled as Refused
from gong_worker.gate import Gate, GateSettings, Go, Slot


class Pacer(Protocol):
    """One limiter in one process."""

    def wait(self) -> None:
        """Return when a call may be written."""

    def done(self, written: float, replied: float, accepted: bool) -> None:
        """The call was written and answered at these `time.monotonic()` moments."""


class Ours:
    """This project's gate, as a worker uses it."""

    def __init__(self, url: str, rate: int) -> None:
        settings = GateSettings(calls_per_second=rate, calls_per_day=10_000_000)
        self._gate = Gate(redis.Redis.from_url(url), settings, history=lambda _: (), name="bench")
        self._slot: Slot | None = None

    def wait(self) -> None:
        while True:
            slot = self._gate.acquire(Lane.LIVE, "event")
            if isinstance(slot, Slot):
                time.sleep(max(0.0, slot.at - time.monotonic()))
                if isinstance(self._gate.confirm(slot), Go):
                    self._slot = slot
                    return
            else:
                time.sleep(slot.retry_in_seconds)

    def done(self, written: float, replied: float, accepted: bool) -> None:
        assert self._slot is not None
        self._gate.report(
            self._slot,
            "event",
            Delivered(200) if accepted else Refused(),
            written_late_seconds=written - self._slot.at,
            reply_seconds=replied - written,
        )


class _Quiet:
    def done(self, written: float, replied: float, accepted: bool) -> None:
        """Libraries take no feedback."""


class LimitsMovingWindow(_Quiet):
    """`limits`, moving window: it does not wait by itself, so it is polled."""

    def __init__(self, url: str, rate: int) -> None:
        self._limiter = MovingWindowRateLimiter(RedisStorage(url))
        self._item = RateLimitItemPerSecond(rate)

    def wait(self) -> None:
        while not self._limiter.hit(self._item, "gong"):
            time.sleep(0.020)


class PyrateLog(_Quiet):
    """`pyrate-limiter`, sliding log in a sorted set."""

    def __init__(self, url: str, rate: int) -> None:
        bucket = RedisBucket.init([Rate(rate, 1000)], redis.Redis.from_url(url), "pyrate-log")
        assert isinstance(bucket, RedisBucket)
        # The default of 50 ms on top of each wait: without it the log is refused far more often.
        self._limiter = Limiter(bucket)

    def wait(self) -> None:
        while not self._limiter.try_acquire("gong"):
            pass


class PyrateGcra(_Quiet):
    """`pyrate-limiter`, GCRA without burst, at an interval of its own choosing: 1,035 ms for N calls."""

    def __init__(self, url: str, rate: int) -> None:
        store = RedisStateStore(redis.Redis.from_url(url), "pyrate-gcra")
        self._limiter = Limiter(
            StateBucket([Rate(rate, 1035, burst=1)], algorithm=GCRA(), store=store), buffer_ms=1
        )

    def wait(self) -> None:
        while not self._limiter.try_acquire("gong"):
            pass


class ThrottledGcra(_Quiet):
    """`throttled-py`, GCRA without burst, waiting by itself."""

    def __init__(self, url: str, rate: int) -> None:
        self._throttled = Throttled(
            key="gong",
            using=RateLimiterType.GCRA.value,
            quota=per_sec(rate, burst=1),
            store=RedisStore(server=url),
            timeout=30,
        )

    def wait(self) -> None:
        while self._throttled.limit().limited:
            pass


LIMITERS: dict[str, Callable[[str, int], Pacer]] = {
    "gong-views gate": Ours,
    "pyrate-limiter GCRA, 1,035 ms": PyrateGcra,
    "pyrate-limiter log": PyrateLog,
    "throttled-py GCRA": ThrottledGcra,
    "limits moving window, 20 ms polls": LimitsMovingWindow,
}
