"""Holding and releasing the gate, and the company's limits: what was changed, and what still holds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from gong_worker.domain.audit import AuditAction
from gong_worker.domain.holds import HoldReason
from gong_worker.domain.parts import Part
from gong_worker.domain.reasons import check_reason
from gong_worker.gate.types import LimitView
from gong_worker.ledger.errors import LedgerError
from gong_worker.operations.services import Services
from gong_worker.operations.status import GateReport, gate_report
from gong_worker.operations.workers_gate import gate_of_workers
from gong_worker.queue.part_holds import drop_held, hold_part, read_part_holds, release_part

LONGEST_HOLD_SECONDS: Final = 31_536_000
"""A year: what is longer is a slip, and has an end that no calendar knows."""


@dataclass(frozen=True, slots=True)
class GateChange:
    """What an action changed, and the gate after it. `audit_error`: why it is not in the audit."""

    changed: str
    gate: GateReport
    audit_error: str | None


def hold(
    services: Services,
    reason: str,
    *,
    by: str,
    for_seconds: float | None = None,
    part: Part | None = None,
) -> GateChange:
    """Let no call through until `release`, or for so long; with `part` none of that part's events.

    Raises BadReason, ValueError for a time that is none, and GateUnavailable, for a part redis.RedisError. Needs no
    ledger.
    """
    check_reason(reason)
    if for_seconds is not None and not 0 < for_seconds <= LONGEST_HOLD_SECONDS:
        raise ValueError(
            f"a hold lasts more than 0 and at most {LONGEST_HOLD_SECONDS // 60} minutes (a year), "
            f"not {for_seconds / 60:g}; without a time it lasts until it is released"
        )
    if part is not None:
        hold_part(services.client, part, reason, by, for_seconds=for_seconds)
        changed = f"held: {part}; its events are set aside as they come up, within a second"
        details = {"for_seconds": for_seconds}
        return _done(services, AuditAction.HOLD, changed, by, reason, details, target=_target(part))
    before = {hold.reason for hold in services.gate.status(whole_day=False).holds}
    services.gate.hold(reason, by, for_seconds=for_seconds)
    changed = "held" if HoldReason.OPERATOR not in before else "the operator's hold was replaced by this one"
    return _done(services, AuditAction.HOLD, changed, by, reason, {"for_seconds": for_seconds})


def release(
    services: Services, *, by: str, even_retry_after: bool = False, part: Part | None = None
) -> GateChange:
    """End every hold that is ours to end but an operator's of a part, and a Retry-After if told so.

    With `part` only the hold of that one. Raises GateUnavailable, for a part redis.RedisError; needs no ledger.
    """
    if part is not None:
        ended = release_part(services.client, part)
        changed = (
            f"released: {part}; what was set aside goes behind what waits" if ended else f"not held: {part}"
        )
        return _done(services, AuditAction.RELEASE, changed, by, None, {}, target=_target(part))
    found = [reason.value for reason in services.gate.release(by, even_retry_after=even_retry_after)]
    changed = f"ended: {', '.join(found)}" if found else "nothing was held that a release ends"
    return _done(services, AuditAction.RELEASE, changed, by, None, {"ended": found})


def drop(services: Services, part: Part, reason: str, *, by: str) -> GateChange:
    """Make dead letters (`dropped`) of what is set aside of a held part; workers write them.

    What comes later is set aside as before. Raises BadReason, ValueError when the part is not held, and
    redis.RedisError.
    """
    check_reason(reason)
    held = {hold.part for hold in read_part_holds(services.client)}
    if part not in held:
        others = f"; held are {', '.join(sorted(map(str, held)))}" if held else ""
        raise ValueError(
            f"{part} is not held: hold it first, then what is set aside of it can be dropped{others}"
        )
    count = drop_held(services.client, part)
    changed = f"dropped: {count} events of {part}, as dead letters within seconds"
    return _done(services, AuditAction.DROP, changed, by, reason, {}, target=_target(part), count=count)


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
    return services.gate.status(whole_day=False).limits


def _done(
    services: Services,
    action: AuditAction,
    changed: str,
    by: str,
    reason: str | None,
    details: Mapping[str, Any],
    *,
    target: Mapping[str, Any] | None = None,
    count: int = 1,
) -> GateChange:
    """The audit comes second: a database that is away must not keep anybody from holding the gate."""
    audit_error = None
    try:
        services.ledger.record_action(
            action, by=by, at=datetime.now(UTC), count=count, target=target, reason=reason, details=details
        )
    except LedgerError as error:
        audit_error = str(error)
    report = gate_report(gate_of_workers(services, whole_day=False), read_part_holds(services.client))
    return GateChange(changed, report, audit_error)


def _target(part: Part) -> dict[str, str]:
    return {part.kind.value: part.value}
