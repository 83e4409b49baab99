"""What is known of one event."""

from datetime import datetime
from typing import Any

from gong_worker.domain.states import Status
from gong_worker.gate import GateUnavailable
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import Services


def find_events(
    services: Services, event_id: str, reporting_system: str | None = None
) -> list[dict[str, Any]]:
    """Every event of that id (one a reporting system), with its attempts, ready for JSON.

    One that waits has `held_by`, the reasons for which the gate is held at present; its `next_attempt_at` is then not
    before the last of these holds ends, and null when one has no end. Without an answer of the gate it is the ledger's.
    """
    reports = services.ledger.event(event_id, reporting_system)
    found: list[dict[str, Any]] = to_json(reports)
    if not any(report.status is Status.WAITING for report in reports):
        return found
    try:
        holds = [hold for hold in services.gate.status().holds if hold.mine]
    except GateUnavailable:
        return found
    for report, shown in zip(reports, found, strict=True):
        if report.status is Status.WAITING:
            ends = [hold.until for hold in holds]
            shown["held_by"] = [hold.reason.value for hold in holds]
            shown["next_attempt_at"] = to_json(_after(report.next_attempt_at, ends))
    return found


def _after(due: datetime | None, ends: list[datetime | None]) -> datetime | None:
    if due is None or None in ends:
        return None if ends else due
    return max([due, *(end for end in ends if end is not None)])
