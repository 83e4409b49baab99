"""The audit of operators' actions, where more than a list is read from it."""

from datetime import date
from types import SimpleNamespace
from typing import cast

import pytest

from gong_views.names import Lane
from gong_worker.domain.audit import AuditAction
from gong_worker.ledger import Ledger, LedgerUnavailable
from gong_worker.operations.reconcile import LaneDrift, accept_drift
from gong_worker.operations.services import Services
from tests.integration.ledger.support import START, at


def test_the_limits_that_operators_set(ledger: Ledger) -> None:
    """What was set and not unset, each with its last value; other actions do not count."""
    assert ledger.operator_limits() == {}

    def note(action: AuditAction, details: dict[str, object]) -> None:
        ledger.record_action(action, by="ann", at=START, details=details)

    note(AuditAction.LIMITS, {"calls_per_second": 5.0, "day_reserve": 100})
    note(AuditAction.HOLD, {"for_seconds": None})
    note(AuditAction.LIMITS, {"calls_per_second": 2.5})
    assert ledger.operator_limits() == {"calls_per_second": 2.5, "day_reserve": 100}
    note(AuditAction.UNSET_LIMITS, {"names": ["day_reserve"]})
    assert ledger.operator_limits() == {"calls_per_second": 2.5}
    ledger.record_action(AuditAction.LIMITS, by="ben", at=at(1), details={"calls_per_day": 50})
    note(AuditAction.UNSET_LIMITS, {"names": ["calls_per_second"]})
    assert ledger.operator_limits() == {"calls_per_day": 50}


def test_no_drift_is_written_off_without_the_audit(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the audit cannot be written, the drift stands: written off without a word it could not be found again."""

    def away(*_: object, **__: object) -> None:
        raise LedgerUnavailable("away")

    monkeypatch.setattr(Ledger, "record_action", away)
    drift = [LaneDrift(Lane.LIVE, date(2026, 3, 1), 3)]
    with pytest.raises(LedgerUnavailable):
        accept_drift(cast(Services, SimpleNamespace(ledger=ledger)), drift, by="ana", reason="restored")
    assert ledger.reconciliation_snapshot().written_off == {}
