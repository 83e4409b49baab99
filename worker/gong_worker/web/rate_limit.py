"""How much each API key may ask of this process: a token bucket a key (as GCRA: one number each)."""

import time
from collections.abc import Callable
from typing import Final

BURST_SECONDS: Final = 10.0
"""A key that has been quiet may spend this many seconds' worth at once."""
BYTES_PER_TOKEN: Final = 100_000
"""What a request's body costs beside the request itself."""


class RateLimit:
    """`per_second` tokens a name. Holds one number for each name that has ever asked."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds_each = 1 / per_second
        self._clock = clock
        self._paid_until: dict[str, float] = {}

    def wait_seconds(self, name: str) -> float:
        """0 if a request may be made now, which then costs a token; else how long until one may."""
        ahead = self._paid_until.get(name, 0.0) - self._clock()
        if (wait := ahead + self._seconds_each - BURST_SECONDS) > 0:
            return wait
        self.charge(name, 1)
        return 0.0

    def charge(self, name: str, tokens: float) -> None:
        """Take tokens for what has been done already, also if there are none left: the next request waits."""
        begin = max(self._paid_until.get(name, 0.0), self._clock())
        self._paid_until[name] = begin + tokens * self._seconds_each
