"""One clock for all workers: Redis's. Leases are judged by it, never by a machine's own wall clock."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import redis

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Goes on while the machine is suspended, which the other monotonic clock does not; Linux has it.
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SharedClock:
    """Redis's time, carried on by this machine's monotonic clock between two readings.

    So a wall clock that is wrong or set anew changes nothing here, and the time is known while Redis is away.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._ahead: float | None = None

    def read(self) -> None:
        """Ask Redis for its time; raises RedisError."""
        sent = time.clock_gettime(_CLOCK)
        seconds, microseconds = self._client.time()
        received = time.clock_gettime(_CLOCK)
        with self._lock:
            self._ahead = seconds + microseconds / 1e6 - (sent + received) / 2

    def now(self) -> datetime:
        """The time in UTC. Raises RedisError only while Redis has never been asked and is away."""
        if self._ahead is None:
            self.read()
        with self._lock:
            assert self._ahead is not None
            return _EPOCH + timedelta(seconds=time.clock_gettime(_CLOCK) + self._ahead)
