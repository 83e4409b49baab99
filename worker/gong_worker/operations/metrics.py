"""What there is to measure, of all workers together: from Redis and the ledger, whoever is asked."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from gong_worker.ledger import LedgerError, LedgerTotals, LedgerUnavailable
from gong_worker.operations.reconcile import reconcile
from gong_worker.operations.services import Services
from gong_worker.operations.status import Status, status

DRIFT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Drift:
    """What the latest reconciliation found, by lane: missing messages, and those that came out uncounted.

    at: when it ended, in seconds since 1970.
    """

    missing: dict[str, int]
    uncounted: dict[str, int]
    at: float


@dataclass(frozen=True, slots=True)
class Measures:
    """One look. `totals` None: the ledger is away. `drift` None: nobody has looked yet, or may."""

    status: Status
    totals: LedgerTotals | None
    drift: Drift | None


def measure(services: Services, drift: Drift | None) -> Measures:
    """The measures, also while a part is away."""
    found = status(services)
    totals = None
    if found.ledger.error is None:
        with contextlib.suppress(LedgerUnavailable):
            totals = services.ledger.totals()
    return Measures(found, totals, drift)


class DriftWatch:
    """Reconciles every five minutes at most, beside the one who asks: it reads the whole queue."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._latest: Drift | None = None
        self._looked_at = 0.0
        self._looking = threading.Lock()

    def latest(self) -> Drift | None:
        """What the latest look found."""
        return self._latest

    @property
    def due(self) -> bool:
        """Whether it is time to look again."""
        return self._clock() - self._looked_at >= DRIFT_SECONDS

    def look(self, services: Services) -> None:
        """Reconcile, unless somebody is at it. Where that is not possible the drift is unknown."""
        if not self._looking.acquire(blocking=False):
            return
        try:
            self._looked_at = self._clock()
            self._latest = None
            self._latest = drift_of(services, self._clock)
        except (redis.RedisError, LedgerError):
            pass
        finally:
            self._looking.release()


def drift_of(services: Services, clock: Callable[[], float]) -> Drift:
    """What a reconciliation finds now. Raises RedisError, LedgerError."""
    missing: dict[str, int] = {}
    uncounted: dict[str, int] = {}
    for row in reconcile(services).drift:
        of = missing if row.missing > 0 else uncounted
        of[row.lane.value] = of.get(row.lane.value, 0) + abs(row.missing)
    return Drift(missing, uncounted, clock())
