"""Whether the queue's count, the ledger and the simulator's own log agree."""

from collections import Counter
from dataclasses import dataclass

from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import Status
from gong_worker.ledger import Ledger
from gong_worker.simulator import SimulatorClient

Key = tuple[str, str]


@dataclass(frozen=True)
class Line:
    """One comparison of the reconciliation."""

    what: str
    ours: object
    theirs: object
    agree: bool


def compare(ledger: Ledger, simulator: SimulatorClient, *, enqueued: int, ends: dict[str, int]) -> list[Line]:
    """Every comparison; all must agree."""
    delivered: set[Key] = set()
    calls: Counter[Key] = Counter()
    for event in ledger.every_event():
        key = (event.reporting_system, event.event_id)
        if event.status is Status.DELIVERED:
            delivered.add(key)
        calls[key] += sum(
            attempt.outcome not in (None, AttemptOutcome.UNREACHABLE) for attempt in event.attempts
        )
    log = simulator.log()
    seen: Counter[Key] = Counter(tuple(entry["key"]) for entry in log if entry["key"])
    accepted = Counter(tuple(entry["key"]) for entry in log if entry["accepted"])
    throttled = sum(entry["outcome"] == "throttled" for entry in log)
    total = sum(ends.values())
    return [
        Line(
            "enqueued = delivered + already reported + duplicates + dead", enqueued, total, enqueued == total
        ),
        Line(
            "events delivered / accepted at Gong",
            len(delivered),
            len(accepted),
            delivered == set(accepted) == simulator.accepted(),
        ),
        Line("most often one event was accepted", 1, max(accepted.values()), set(accepted.values()) == {1}),
        Line("calls in the ledger / at Gong, event by event", calls.total(), seen.total(), calls == seen),
        Line("429s for going too fast", 0, throttled, throttled == 0),
    ]
