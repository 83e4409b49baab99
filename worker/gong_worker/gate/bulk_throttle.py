"""Bulk askers of one process ask Redis one at a time: whoever is early is told so without a round trip."""

import threading

from gong_worker.gate.clock import Clock

_MOMENT = 0.005


class BulkThrottle:
    """Whose turn it is to ask for a bulk slot, and from when on asking can help."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asking = threading.Lock()
        self._not_before = 0.0

    def enter(self) -> float:
        """0: ask now, then `leave`. Otherwise the seconds after which to come back."""
        wait = self._not_before - self._clock.monotonic()
        if wait > 0:
            return wait
        return 0.0 if self._asking.acquire(blocking=False) else _MOMENT

    def leave(self, wait: float) -> None:
        """Asked; nobody of this process need ask for another `wait` seconds."""
        self._not_before = self._clock.monotonic() + wait
        self._asking.release()
