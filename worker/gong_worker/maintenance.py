"""What a worker does beside delivering: signs of life, debts to Redis, the end of a pause."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass
class Duty:
    """Something to do every `every_seconds`."""

    name: str
    every_seconds: float
    action: Callable[[], object]
    due_at: float = 0.0
    failing: bool = False


class Housekeeper:
    """A thread with duties. A duty that fails is said once, and tried again at its next turn."""

    def __init__(self, name: str, duties: list[Duty]) -> None:
        self._duties = duties
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"gong-views-{name}", daemon=True)

    def start(self) -> None:
        """Begin; the thread ends with the process or with `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """End after the duty at hand."""
        self._stop.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        pause = min(duty.every_seconds for duty in self._duties)
        while not self._stop.wait(pause):
            for duty in self._duties:
                if time.monotonic() >= duty.due_at:
                    duty.due_at = time.monotonic() + duty.every_seconds
                    self._do(duty)

    def _do(self, duty: Duty) -> None:
        try:
            duty.action()
        except Exception as error:
            if not duty.failing:
                log.warning(
                    "housekeeping fails",
                    extra={"action": "housekeeping_failed", "duty": duty.name, "error": type(error).__name__},
                )
            duty.failing = True
        else:
            if duty.failing:
                log.info("housekeeping works again", extra={"action": "housekeeping_ok", "duty": duty.name})
            duty.failing = False
