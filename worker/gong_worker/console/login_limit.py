"""How often a password may be guessed: failures of one address, and of one name from anywhere, in a window."""

import time
from collections import deque
from collections.abc import Callable, Hashable
from ipaddress import ip_address, ip_network
from typing import Final

WINDOW_SECONDS: Final = 900.0
OF_ADDRESS: Final = 10
OF_NAME: Final = 50
"""More than of an address, so that nobody keeps an operator out from one machine."""
MOST_KEYS: Final = 10_000


class LoginLimit:
    """Counts failures. It forgets the longest unused keys first when there are too many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[Hashable, deque[float]] = {}

    def wait_seconds(self, address: str, name: str) -> float:
        """0 if a password may be tried now, else how long until one may."""
        return max(self._wait(_block(address), OF_ADDRESS), self._wait(("name", name), OF_NAME))

    def failed(self, address: str, name: str) -> None:
        """A password was wrong."""
        for key, most in ((_block(address), OF_ADDRESS), (("name", name), OF_NAME)):
            times = self._failures.pop(key, None) or deque(maxlen=most)
            times.append(self._clock())
            self._failures[key] = times
        while len(self._failures) > MOST_KEYS:
            del self._failures[next(iter(self._failures))]

    def succeeded(self, address: str, name: str) -> None:
        """The password just counted as wrong was right."""
        for key in (_block(address), ("name", name)):
            if times := self._failures.get(key):
                times.pop()

    def _wait(self, key: Hashable, most: int) -> float:
        times = self._failures.get(key)
        if times is None or len(times) < most:
            return 0.0
        return max(0.0, times[0] + WINDOW_SECONDS - self._clock())


def _block(address: str) -> Hashable:
    """IPv6 by its /64, of which one machine has all addresses."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else ip_network((parsed, 64), strict=False)
