"""What is going on, why, and until when."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gong_worker.gate import GateStatus, Probe
from gong_worker.ledger import LedgerUnavailable
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import Services
from gong_worker.queue import inspect

DAY_SECONDS = 86_400.0
LEDGER_NAMES = ("sending", "waiting", "delivered", "dead", "duplicates")


def status(services: Services) -> dict[str, Any]:
    """The whole picture, ready for JSON; raises what Redis raises when it is away.

    While only the ledger is away its numbers are None and `ledger.error` says why: that is when queue and gate
    are wanted most.
    """
    queue = inspect.count(services.client)
    gate = services.gate.status()
    ledger: dict[str, Any]
    try:
        counts: dict[str, int | None] = dict(services.ledger.counts())
        ledger = {name: counts[name] for name in LEDGER_NAMES}
    except LedgerUnavailable as error:
        counts = {"dead_letters_open": None}
        ledger = {**dict.fromkeys(LEDGER_NAMES), "error": str(error)}
    return {
        "queue": {"live": queue.live, "bulk": queue.bulk, "delayed": queue.delayed, "unacked": queue.unacked},
        "gate": gate_facts(gate),
        "calls": {
            "per_second_limit": gate.per_second_limit,
            "current_rate": gate.current_rate,
            "last_24h": gate.last_24h,
            "per_day_limit": gate.per_day_limit,
            "per_day_cap": gate.per_day_cap,
        },
        "ledger": ledger,
        "dead_letters": {"open": counts["dead_letters_open"]},
        "drain": drain(queue.total, gate, datetime.now(UTC)),
    }


def gate_facts(gate: GateStatus) -> dict[str, Any]:
    """Open or held, why, until when, and what the operator noted."""
    return {
        "state": gate.state,
        "reason": to_json(gate.reason),
        "until": to_json(gate.until),
        "note": gate.note,
        "probe": _probe(gate.probe),
    }


def _probe(probe: Probe | None) -> dict[str, Any] | None:
    """Which event probes a held gate, or probed it last, and what it was answered."""
    if probe is None:
        return None
    reporting_system, _, event_id = probe.event.partition("\x00")
    return {
        "reporting_system": reporting_system,
        "event_id": event_id,
        "out": probe.out,
        "answer": probe.answer,
        "answered_at": to_json(probe.at),
    }


def drain(events: int, gate: GateStatus, now: datetime) -> dict[str, Any]:
    """When the backlog will be gone if nothing is added; `seconds` is None while nobody can tell.

    The later of two: at the present rate, and at what the rolling day still allows. A hold comes first; one
    without an end, such as an operator's, makes the answer unknown.
    """
    if events == 0:
        return {"events": 0, "seconds": 0, "at": to_json(now)}
    if gate.state == "held" and gate.until is None:
        return {"events": events, "seconds": None, "at": None}
    left_today = max(0, gate.per_day_cap - gate.last_24h)
    at_rate = events / gate.current_rate
    by_day = max(0, events - left_today) / gate.per_day_cap * DAY_SECONDS
    held = max(0.0, (gate.until - now).total_seconds()) if gate.state == "held" and gate.until else 0.0
    seconds = round(held + max(at_rate, by_day), 3)
    return {"events": events, "seconds": seconds, "at": to_json(now + timedelta(seconds=seconds))}
