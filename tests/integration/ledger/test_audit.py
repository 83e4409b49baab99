"""The audit of operators' actions, where more than a list is read from it."""

from gong_worker.domain.audit import AuditAction
from gong_worker.ledger import Ledger
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
