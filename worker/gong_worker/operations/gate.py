"""Holding and releasing the gate, and the company's limits: what was changed, and what still holds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gong_worker.domain.audit import AuditAction
from gong_worker.domain.holds import HoldReason
from gong_worker.gate.types import LimitView
from gong_worker.ledger import LedgerUnavailable
from gong_worker.operations.services import Services
from gong_worker.operations.status import GateReport, gate_report


@dataclass(frozen=True, slots=True)
class GateChange:
    """What an action changed, and the gate after it. `audit_error`: why it is not in the audit."""

    changed: str
    gate: GateReport
    audit_error: str | None


def hold(services: Services, reason: str, *, by: str, for_seconds: float | None = None) -> GateChange:
    """Let no call through until `release`, or for so long. Raises GateUnavailable; needs no ledger."""
    before = {hold.reason for hold in services.gate.status().holds}
    services.gate.hold(reason, by, for_seconds=for_seconds)
    changed = "held" if HoldReason.OPERATOR not in before else "the operator's hold was replaced by this one"
    return _done(services, AuditAction.HOLD, changed, by, reason, {"for_seconds": for_seconds})


def release(services: Services, *, by: str, even_retry_after: bool = False) -> GateChange:
    """End every hold that is ours to end, and a Retry-After if told so. Raises GateUnavailable; needs no ledger."""
    ended = [reason.value for reason in services.gate.release(by, even_retry_after=even_retry_after)]
    changed = f"ended: {', '.join(ended)}" if ended else "nothing was held that a release ends"
    return _done(services, AuditAction.RELEASE, changed, by, None, {"ended": ended})


def set_limits(services: Services, *, by: str, **limits: float | int | None) -> GateChange:
    """Change the limits given by name for all workers at once.

    Raises GateUnavailable, and ValueError when they do not make sense with those in force.
    """
    given = {name: value for name, value in limits.items() if value is not None}
    services.gate.set_limits(**given, by=by)  # type: ignore[arg-type]
    changed = "limits set: " + ", ".join(f"{name} {value:g}" for name, value in given.items())
    return _done(services, AuditAction.LIMITS, changed, by, None, given)


def unset_limits(services: Services, *, by: str, names: Collection[str] = ()) -> GateChange:
    """Take back what was set, all of it by default. Raises GateUnavailable."""
    found = services.gate.unset_limits(names)
    changed = f"limits unset: {', '.join(found)}" if found else "no such limit was set"
    return _done(services, AuditAction.UNSET_LIMITS, changed, by, None, {"names": list(found)})


def limits(services: Services) -> tuple[LimitView, ...]:
    """The limits in force, and where each comes from. Raises GateUnavailable."""
    return services.gate.status().limits


def _done(
    services: Services,
    action: AuditAction,
    changed: str,
    by: str,
    reason: str | None,
    details: Mapping[str, Any],
) -> GateChange:
    """The audit comes second: a database that is away must not keep anybody from holding the gate."""
    audit_error = None
    try:
        services.ledger.record_action(
            action, by=by, at=datetime.now(UTC), count=1, reason=reason, details=details
        )
    except LedgerUnavailable as error:
        audit_error = str(error)
    return GateChange(changed, gate_report(services.gate.status()), audit_error)
