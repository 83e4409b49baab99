"""Whether the books agree: the queue's count, the ledger, and the simulator's own log."""

from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa

from gong_worker.ledger.models import Attempt, Delivery
from gong_worker.simulator import SimulatorClient

Key = tuple[str, str]


@dataclass(frozen=True)
class Line:
    """One comparison of the reconciliation."""

    what: str
    ours: object
    theirs: object
    agree: bool


def compare(
    engine: sa.Engine, simulator: SimulatorClient, *, enqueued: int, ends: dict[str, int]
) -> list[Line]:
    """Every comparison; all must agree."""
    with engine.connect() as connection:
        delivered = {
            (row.reporting_system, row.event_id)
            for row in connection.execute(
                sa.select(Delivery.reporting_system, Delivery.event_id).where(Delivery.status == "delivered")
            )
        }
        calls: Counter[Key] = Counter()
        for row in connection.execute(
            sa.select(Attempt.reporting_system, Attempt.event_id).where(Attempt.outcome != "unreachable")
        ):
            calls[row.reporting_system, row.event_id] += 1
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
