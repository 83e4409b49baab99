"""Waiting for a server that is away: said once, longer each time, ended at once by the stop event."""

import logging
import threading
import time
from typing import Final

from gong_views.errors import QueueUnavailable

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS: Final = 0.25
LONGEST_WAIT_SECONDS: Final = 5.0


class Outage:
    """The present outage, if there is one."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._wait = FIRST_WAIT_SECONDS
        self._began_at: float | None = None  # time.monotonic()

    def wait(self, error: Exception) -> None:
        """Say why, unless this outage was told already, and wait before the next try."""
        if self._began_at is None:
            self._began_at = time.monotonic()
            who = "queue" if isinstance(error, QueueUnavailable) else "database"
            log.warning("%s; the rows wait", error, extra={"action": f"outbox.{who}_unavailable"})
        self._stop.wait(self._wait)
        self._wait = min(self._wait * 2, LONGEST_WAIT_SECONDS)

    def over(self) -> None:
        """It works: say so if it did not before."""
        if self._began_at is None:
            return
        seconds = round(time.monotonic() - self._began_at, 1)
        log.warning("relaying again", extra={"action": "outbox.resumed", "after_seconds": seconds})
        self._began_at, self._wait = None, FIRST_WAIT_SECONDS
