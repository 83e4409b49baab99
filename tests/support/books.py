"""The books of one run side by side: what went in, the simulator's own log, the ledger, and what Redis still holds."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import redis

from gong_views.names import DELAYED_KEY, UNACKED_INDEX_KEY
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.operations.reconcile import Reconciliation, reconcile
from gong_worker.operations.services import Services
from gong_worker.queue import inspect
from gong_worker.simulator import SimulatorClient

# Outcomes of attempts that are no call, and of those whose worker could not say.
NEVER_SENT = {AttemptOutcome.UNREACHABLE}
UNKNOWN = {AttemptOutcome.INTERRUPTED}
NONE: Counter[str] = Counter()


@dataclass(frozen=True)
class Books:
    """Everything by event id (there is one reporting system)."""

    status: dict[str, str]
    resolution: dict[str, str]
    duplicates: Counter[str]
    known_calls: Counter[str]
    unknown_calls: Counter[str]
    """Calls of workers that died: some were made, some not."""
    ambiguous_calls: Counter[str]
    """Those of the known calls that got no answer."""
    open_attempts: int
    answers: set[tuple[str, str]]
    """(event, request id) of every attempt that was answered."""
    calls: Counter[str]
    sent_answers: set[tuple[str, str]]
    acceptances: Counter[str]
    stats: dict[str, Any]
    left: inspect.QueueCounts
    indexed: int
    reconciled: Reconciliation

    @property
    def delivered(self) -> set[str]:
        return {event for event, status in self.status.items() if status == "delivered"}

    @property
    def dead(self) -> set[str]:
        return {event for event, status in self.status.items() if status == "dead"}

    def check(
        self,
        enqueued: Counter[str],
        *,
        dead: set[str],
        unsure: Counter[str] = NONE,
        lost: int = 0,
        gong_died: bool = False,
    ) -> None:
        """AssertionError names the law that is broken.

        `unsure`: enqueues that failed, and may have got through all the same; `lost`: messages that a wiped
        Redis took along, which the reconciliation has to miss exactly (but for unsure ones); `gong_died`: the
        simulator was killed with calls on their way, which it then never saw.
        """
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
        self.check_calls(gong_died)
        self.check_duplicates(enqueued, unsure, lost)
        assert self.stats["concurrent_same_key"] == 0, "two calls in flight for one event"
        assert self.left.total == 0 and self.indexed == 0, (
            f"left in Redis: {self.left}, {self.indexed} indexed"
        )
        missing = sum(row.missing for row in self.reconciled.drift)
        may_be_lost = unsure.total() if lost else 0
        assert lost <= missing <= lost + may_be_lost, f"{lost} messages lost, reconcile: {self.reconciled}"
        assert bool(self.reconciled.drift) == bool(missing), f"reconcile: {self.reconciled}"
        went_in = self.reconciled.enqueued - enqueued.total()
        assert 0 <= went_in <= unsure.total(), f"reconcile: {self.reconciled}, enqueued {enqueued.total()}"
        assert self.reconciled.uncounted_in_queue == 0

    def check_duplicates(self, enqueued: Counter[str], unsure: Counter[str], lost: int) -> None:
        """Every message beyond the first of an event is counted as a duplicate, once."""
        for event, times in enqueued.items():
            counted = self.duplicates[event]
            assert counted <= times - 1 + unsure[event], f"{event}: {counted} duplicates of {times} messages"
            assert lost or counted >= times - 1, f"{event}: {counted} duplicates of {times} messages"
        if lost:
            sure = enqueued.total() - len(enqueued) - lost
            assert sure <= self.duplicates.total() <= sure + unsure.total()

    def check_calls(self, gong_died: bool) -> None:
        """Ledger and simulator agree call for call; a killed worker's call may or may not have been made."""
        for event in self.calls.keys() | self.known_calls.keys():
            known, unknown = self.known_calls[event], self.unknown_calls[event]
            surely = known - self.ambiguous_calls[event] if gong_died else known
            assert surely <= self.calls[event] <= known + unknown, (
                f"{event}: {self.calls[event]} calls at the simulator, "
                f"{known} known and {unknown} unknown in the ledger"
            )
        strange = self.answers - self.sent_answers
        assert not strange, f"answers in the ledger that the simulator did not give: {sorted(strange)[:9]}"


def read_books(gong: SimulatorClient, client: "redis.Redis", services: Services) -> Books:
    """All of it, as it is now."""
    status: dict[str, str] = {}
    resolution: dict[str, str] = {}
    duplicates: Counter[str] = Counter()
    known: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    ambiguous: Counter[str] = Counter()
    answers: set[tuple[str, str]] = set()
    open_attempts = 0
    for event in services.ledger.every_event():
        name = event.event_id
        status[name] = event.status
        resolution[name] = event.resolution or ""
        if event.duplicate_count:
            duplicates[name] = event.duplicate_count
        for attempt in event.attempts:
            open_attempts += attempt.outcome is None
            if attempt.request_id is not None:
                answers.add((name, attempt.request_id))
            if attempt.outcome in UNKNOWN:
                unknown[name] += 1
            elif attempt.outcome not in NEVER_SENT:
                known[name] += 1
                ambiguous[name] += attempt.outcome is AttemptOutcome.AMBIGUOUS
    log = gong.log()
    client.ping()
    return Books(
        status, resolution, duplicates, known, unknown, ambiguous, open_attempts, answers,
        sent_answers={(entry["key"][1], entry["request_id"]) for entry in log if entry["key"]},
        calls=Counter(entry["key"][1] for entry in log if entry["key"]),
        acceptances=Counter(entry["key"][1] for entry in log if entry["accepted"]),
        stats=gong.stats(),
        left=inspect.count(client),
        indexed=int(client.zcard(UNACKED_INDEX_KEY)) + int(client.zcard(DELAYED_KEY)),  # type: ignore[arg-type]
        reconciled=reconcile(services),
    )  # fmt: skip
