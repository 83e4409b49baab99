"""What the ledger knows of one event."""

from typing import Any

from gong_worker.ledger import Ledger
from gong_worker.operations.serialize import to_json


def find_events(ledger: Ledger, event_id: str, reporting_system: str | None = None) -> list[dict[str, Any]]:
    """Every event of that id (one a reporting system), with its attempts, ready for JSON."""
    found: list[dict[str, Any]] = to_json(ledger.event(event_id, reporting_system))
    return found
