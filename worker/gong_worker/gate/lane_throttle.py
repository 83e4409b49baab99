"""Askers of one process for slots of one lane: while slots are scarce they ask Redis one at a time."""

import threading

from gong_worker.gate.clock import Clock

_MOMENT = 0.005


class LaneThrottle:
    """From when on asking can help, and whose turn it is to ask.

    Whoever is early is told so without a round trip. While nobody has to wait, all may ask at once.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._scarce = False
        self._asking = False

    def enter(self) -> float:
        """0: ask now, then `leave`. Otherwise the seconds after which to come back."""
        with self._lock:
            wait = self._not_before - self._clock.monotonic()
            if wait > 0:
                return wait
            if self._scarce and self._asking:
                return _MOMENT
            self._asking = True
            return 0.0

    def leave(self, wait: float) -> None:
        """Asked; nobody of this process need ask for another `wait` seconds."""
        with self._lock:
            self._asking, self._scarce = False, wait > 0
            if wait > 0:
                self._not_before = self._clock.monotonic() + wait
