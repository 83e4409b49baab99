"""The books of one run side by side: what went in, the simulator's own log, the ledger, and what Redis still holds."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import redis
import sqlalchemy as sa

from gong_views.names import DELAYED_KEY, UNACKED_INDEX_KEY
from gong_worker.ledger.models import Attempt, Delivery
from gong_worker.operations.office import Office
from gong_worker.operations.reconcile import reconcile
from gong_worker.queue import survey
from gong_worker.simulator import SimulatorClient

# Outcomes of attempts that are no call, and of those whose worker could not say.
NEVER_SENT = {"unreachable"}
UNKNOWN = {"interrupted"}


@dataclass(frozen=True)
class Books:
    """Everything by event id (there is one reporting system)."""

    status: dict[str, str]
    resolution: dict[str, str]
    duplicates: Counter[str]
    known_calls: Counter[str]
    unknown_calls: Counter[str]
    open_attempts: int
    calls: Counter[str]
    acceptances: Counter[str]
    stats: dict[str, Any]
    left: survey.QueueCounts
    indexed: int
    reconciled: dict[str, Any]

    @property
    def delivered(self) -> set[str]:
        return {event for event, status in self.status.items() if status == "delivered"}

    @property
    def dead(self) -> set[str]:
        return {event for event, status in self.status.items() if status == "dead"}

    def check(self, enqueued: Counter[str], *, dead: set[str]) -> None:
        """AssertionError names the law that is broken."""
        wanted = set(enqueued) - dead
        assert set(self.acceptances) == wanted, (
            f"accepted is not what was enqueued: missing {sorted(wanted - set(self.acceptances))[:9]}, "
            f"too many {sorted(set(self.acceptances) - wanted)[:9]}"
        )
        twice = [event for event, times in self.acceptances.items() if times > 1]
        assert not twice, f"accepted twice: {twice[:9]}"
        assert self.delivered == wanted, f"delivered in the ledger differs by {self.delivered ^ wanted}"
        assert self.dead == dead, f"dead in the ledger differs by {self.dead ^ dead}"
        assert set(self.status) == wanted | dead, "events neither delivered nor dead"
        assert self.open_attempts == 0, f"{self.open_attempts} attempts without an outcome"
        self.check_calls()
        expected = Counter({event: times - 1 for event, times in enqueued.items() if times > 1})
        assert self.duplicates == expected, f"duplicates counted: {self.duplicates}, enqueued: {expected}"
        assert self.stats["concurrent_same_key"] == 0, "two calls in flight for one event"
        assert self.left.total == 0 and self.indexed == 0, (
            f"left in Redis: {self.left}, {self.indexed} indexed"
        )
        assert self.reconciled["drift"] == [], f"reconcile: {self.reconciled}"
        assert self.reconciled["enqueued"] == enqueued.total(), f"reconcile: {self.reconciled}"
        assert self.reconciled["uncounted_in_queue"] == 0

    def check_calls(self) -> None:
        """Ledger and simulator agree call for call; a killed worker's call may or may not have been made."""
        for event in self.calls.keys() | self.known_calls.keys():
            known, unknown = self.known_calls[event], self.unknown_calls[event]
            assert known <= self.calls[event] <= known + unknown, (
                f"{event}: {self.calls[event]} calls at the simulator, "
                f"{known} known and {unknown} unknown in the ledger"
            )


def read_books(engine: sa.Engine, gong: SimulatorClient, client: "redis.Redis", office: Office) -> Books:
    """All of it, as it is now."""
    status: dict[str, str] = {}
    resolution: dict[str, str] = {}
    duplicates: Counter[str] = Counter()
    known: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    open_attempts = 0
    columns = (Delivery.event_id, Delivery.status, Delivery.resolution, Delivery.duplicate_count)
    with engine.connect() as connection:
        for event, state, how, times in connection.execute(sa.select(*columns)):
            status[event] = state
            resolution[event] = how or ""
            if times:
                duplicates[event] = times
        for event, outcome in connection.execute(sa.select(Attempt.event_id, Attempt.outcome)):
            open_attempts += outcome is None
            if outcome in UNKNOWN:
                unknown[event] += 1
            elif outcome not in NEVER_SENT:
                known[event] += 1
    log = gong.log()
    client.ping()
    return Books(
        status, resolution, duplicates, known, unknown, open_attempts,
        calls=Counter(entry["key"][1] for entry in log if entry["key"]),
        acceptances=Counter(entry["key"][1] for entry in log if entry["accepted"]),
        stats=gong.stats(),
        left=survey.count(client),
        indexed=int(client.zcard(UNACKED_INDEX_KEY)) + int(client.zcard(DELAYED_KEY)),  # type: ignore[arg-type]
        reconciled=reconcile(office),
    )  # fmt: skip
