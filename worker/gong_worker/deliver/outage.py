"""A Redis or a ledger that is away: told once, and when messages may be taken again."""

import logging
import threading
import time

from gong_worker.gate import GateUnavailable
from gong_worker.ledger import Ledger, LedgerUnavailable

log = logging.getLogger(__name__)

# A worker with an outcome to record tries again twice a second, and a hung connection is given up after 5 s.
SETTLE_SECONDS = 2.0
LONG_SETTLE_SECONDS = 6.0


class GateOutage:
    """Whether Redis decides for the gate, as all threads see it: one log line when it begins, one when it ends."""

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


class LedgerOutage:
    """From the first LedgerUnavailable on.

    Leases run out while the ledger is away. If it was away for long, those who made calls meanwhile record them
    first: a message taken at once could take over the claim of a call whose outcome is about to be written, and
    make it again.
    """

    def __init__(self, ledger: Ledger, lease_seconds: float) -> None:
        self._ledger = ledger
        self._began = time.monotonic()
        self._answers_since: float | None = None
        self._long = lease_seconds / 2
        self._settle = min(LONG_SETTLE_SECONDS, max(SETTLE_SECONDS, lease_seconds / 10))

    def over(self) -> bool:
        """Whether the ledger takes writes again, and has done so for long enough."""
        try:
            self._ledger.ping()
        except LedgerUnavailable:
            self._answers_since = None
            return False
        now = time.monotonic()
        if self._answers_since is None:
            self._answers_since = now
        if self._answers_since - self._began < self._long:
            return True
        return now - self._answers_since >= self._settle
