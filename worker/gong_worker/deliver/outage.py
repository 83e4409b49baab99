"""One log line when Redis stops deciding for the gate, and one when it decides again."""

import logging
import threading

from gong_worker.gate import GateUnavailable

log = logging.getLogger(__name__)


class GateOutage:
    """Whether Redis decides, as all threads of this process see it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = False

    def begins(self, error: GateUnavailable) -> None:
        """A script did not run."""
        with self._lock:
            began, self._began = self._began, True
        if not began:
            log.error(
                "gate: unavailable, no call is made",
                extra={"action": "gate_unavailable", "reason": error.trouble.value, "error": str(error)},
            )

    def ends(self) -> None:
        """A script ran."""
        if self._began:
            with self._lock:
                began, self._began = self._began, False
            if began:
                log.warning("gate: available again", extra={"action": "gate_available"})
