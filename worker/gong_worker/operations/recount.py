"""Whether the ledger's counters are right, for whoever has reason to doubt them; and putting them right."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from gong_worker.domain.audit import AuditAction
from gong_worker.ledger import Ledger, Miscount, open_engine
from gong_worker.operations.services import Services


@dataclass(frozen=True, slots=True)
class CounterCheck:
    """The counters that differ from the rows they count; `repaired`: whether they have been put right since."""

    miscounts: list[Miscount]
    repaired: bool


def check_counters(services: Services, *, repair: bool = False, by: str) -> CounterCheck:
    """Count all rows of the ledger anew and compare; with `repair` add what is missing.

    It reads the whole ledger, a few seconds a million events. No writer waits for it, and what is written meanwhile is
    counted either way. A repair is recorded in the audit. Raises LedgerUnavailable.
    """
    with patient_ledger(services) as ledger:
        found = ledger.miscounts()
        if found and repair:
            ledger.correct(found)
            ledger.record_action(
                AuditAction.REPAIR, by=by, at=datetime.now(UTC), count=len(found),
                details={"tables": sorted({one.table for one in found})},
            )  # fmt: skip
    return CounterCheck(found, bool(found) and repair)


@contextmanager
def patient_ledger(services: Services) -> Iterator[Ledger]:
    """The same ledger without the time limit that a worker's statements have."""
    ledger = Ledger(open_engine(services.settings.ledger_url, patient=True))
    try:
        yield ledger
    finally:
        ledger.close()
