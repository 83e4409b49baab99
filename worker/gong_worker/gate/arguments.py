"""What the gate's scripts are told, as they take it."""

import hashlib
import math
from typing import Final

from gong_worker.domain.outcomes import Outcome, outcome_name
from gong_worker.gate.types import Reservation, Slot

# So much of an event's key is kept in Redis, and shown.
_EVENT_CHARACTERS: Final = 300


def report_arguments(
    slot: Slot,
    event_key: str,
    outcome: Outcome,
    written_late_seconds: float | None,
    reply_seconds: float | None,
) -> dict[str, object]:
    """What `report` is told of a call."""
    return {
        "slot": Reservation.of(slot).fields(),
        "outcome": outcome_name(outcome).value,
        "answer": _answer(outcome),
        "retry_after": micros(getattr(outcome, "retry_after_seconds", None)),
        "event": shortened(event_key),
        "late": micros(written_late_seconds),
        "reply": micros(reply_seconds),
    }


def shortened(event_key: str) -> str:
    """The key as the scripts know it; of a long one the end is a digest of the whole."""
    if len(event_key) <= _EVENT_CHARACTERS:
        return event_key
    digest = hashlib.sha256(event_key.encode()).hexdigest()[:16]
    return f"{event_key[: _EVENT_CHARACTERS - 17]}…{digest}"


def micros(seconds: float | None) -> int | None:
    """Whole microseconds; None for what is not known."""
    if seconds is None or not math.isfinite(seconds):
        return None
    return max(0, int(seconds * 1e6))


def _answer(outcome: Outcome) -> str:
    status = getattr(outcome, "http_status", None)
    return outcome_name(outcome).value + (f", HTTP {status}" if status else "")
