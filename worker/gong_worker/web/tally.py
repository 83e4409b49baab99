"""Log lines of what may happen thousands of times a second: counted, and told at most once a second."""

import asyncio
import logging
from collections import Counter
from typing import Final

SECONDS: Final = 1.0


class Tally:
    """Counts by reason. The first is logged at once, those within the next second as one line at its end.

    Belongs to the event loop that runs when it first counts; `close` logs what is left.
    """

    def __init__(self, log: logging.Logger, action: str, message: str) -> None:
        self._log, self._action, self._message = log, action, message
        self._counts: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, reason: str) -> None:
        """Count one; call from the event loop."""
        self._counts[reason] += 1
        if self._timer is None:
            self._tell()

    def close(self) -> None:
        """Log what has not been logged, and stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._counts:
            self._write()

    def _tell(self) -> None:
        self._timer = None
        if self._counts:
            self._write()
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self._tell)

    def _write(self) -> None:
        counts, self._counts = dict(self._counts), Counter()
        told = ", ".join(f"{count} × {reason}" for reason, count in sorted(counts.items()))
        self._log.warning(
            "%s: %s", self._message, told, extra={"action": self._action, "count": sum(counts.values())}
        )
