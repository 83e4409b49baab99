"""Any interleaving of workers, redeliveries, crashes, late answers and operators keeps the ledger's laws."""

import os
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gong_views.names import Lane
from gong_worker.domain.states import TRANSITIONS, Resolution
from gong_worker.ledger import AlreadyHandled, Claim, Claimed, ClaimLost, Ledger
from gong_worker.ledger.models import METADATA
from tests.integration.ledger.support import (
    LEASE_SECONDS,
    ask,
    at,
    dead_letter_event,
    ended,
    open_ids,
    result,
    stored,
)

MESSAGES = st.integers(0, 4)
DAY = 86_400
# For a longer search: LEDGER_EXAMPLES=1000 pytest tests/integration/ledger/test_stateful.py
EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", "8"))
ALLOWED = {(before, after) for (before, _), after in TRANSITIONS.items()}
STATUSES = ("sending", "waiting", "delivered", "dead")
FINAL = (
    "status", "resolution", "request_id", "integration_id", "attempt_count", "settled_at", "message_id",
    "lane", "enqueued_at", "payload_sha256", "first_seen_at",
)  # fmt: skip


@dataclass
class Worker:
    """One that was given the event; it may be late, and it may have died."""

    claim: Claim
    name: str
    until: float
    number: int | None = None
    active: bool = True


class Pipeline(RuleBasedStateMachine):
    """Messages of one event, brought again and again, to workers that do anything at any time."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger
        with ledger.engine.begin() as connection:
            # The counters last: some deletions are counted.
            tables = METADATA.sorted_tables[::-1]
            for table in sorted(tables, key=lambda table: "shard" in table.c):
                connection.execute(sa.delete(table))
        self.seconds = 0.0
        self.workers: list[Worker] = []
        self.brought: set[str] = set()
        self.acknowledged: set[str] = set()
        self.status: str | None = None
        self.delivered: tuple[Any, ...] | None = None

    def _pick(self, data: st.DataObject) -> Worker:
        return data.draw(st.sampled_from(self.workers))

    def _bring(self, name: str, payload: str, replay_of: int | None) -> Claimed | AlreadyHandled | None:
        self.brought.add(name)
        # A replay's message is of another lane and day: the event's row goes over to them, and so do its counts.
        options: dict[str, Any] = {"lane": Lane.BULK, "enqueued": DAY} if name.startswith("replay") else {}
        answer = ask(self.ledger, name, self.seconds, payload=payload, replay_of=replay_of, **options)
        if isinstance(answer, AlreadyHandled):
            self.acknowledged.add(name)
        elif isinstance(answer, Claimed):
            for worker in self.workers:
                assert not worker.active or worker.until <= self.seconds, "two live claims"
            self.workers.append(Worker(answer.claim, name, self.seconds + LEASE_SECONDS))
        return answer if isinstance(answer, Claimed | AlreadyHandled) else None

    @rule(number=MESSAGES, payload=st.sampled_from("aab"))
    def bring(self, number: int, payload: str) -> None:
        self._bring(f"m{number}", payload, None)

    @rule(number=MESSAGES, data=st.data())
    def bring_replay(self, number: int, data: st.DataObject) -> None:
        letters = [row[0] for row in stored(self.ledger, "SELECT id FROM dead_letters")]
        if letters:
            letter = data.draw(st.sampled_from(letters))
            self._bring(f"replay-{letter}-{number}", "a", letter)
            if data.draw(st.booleans()):
                self._resolve(letter, "mark_replayed")

    @rule(seconds=st.sampled_from([1, 30, 61, 130]))
    def time_passes(self, seconds: int) -> None:
        self.seconds += seconds

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        worker = self._pick(data)
        try:
            worker.number = self.ledger.begin_attempt(worker.claim, now=at(self.seconds))
        except ClaimLost:
            assert not worker.active or worker.until <= self.seconds
        else:
            assert worker.active and self.seconds < worker.until

    @precondition(lambda self: self.workers)
    @rule(
        data=st.data(),
        how=st.sampled_from(["complete", "complete", "dead_letter", "defer", "cancel", "release", "renew"]),
    )
    def answer(self, data: st.DataObject, how: str) -> None:
        worker = self._pick(data)
        now, claim, number = at(self.seconds), worker.claim, worker.number
        if number is None and how in ("complete", "dead_letter", "defer", "cancel"):
            return
        assert number is not None or how in ("release", "renew")
        match how:
            case "complete":
                call = result("delivered", self.seconds, 200)
                self.ledger.complete(
                    claim, number or 0, call, now=now, resolution=Resolution.ACCEPTED, integration_id=7
                )
                self.acknowledged.add(worker.name)
                for other in self.workers:
                    other.active = False
            case "dead_letter":
                # One that finds its claim lost does not acknowledge: its message comes again.
                if dead_letter_event(self.ledger, claim, self.seconds, number=number):
                    self.acknowledged.add(worker.name)
                worker.active = False
            case "defer":
                call, due = result("server_error", self.seconds, 500), at(self.seconds + 10)
                self.ledger.defer(claim, number, call, now=now, next_attempt_at=due, spent=True)
                worker.active = False
            case "cancel":
                self.ledger.cancel_attempt(claim, number or 0)
                worker.number = None
            case "release":
                self.ledger.release_claim(claim, now=now)
                worker.active = False
            case "renew":
                if not self.ledger.renew([claim], now=now, lease_seconds=LEASE_SECONDS):
                    assert worker.active
                    worker.until = self.seconds + LEASE_SECONDS

    @rule(data=st.data(), how=st.sampled_from(["mark_replayed", "mark_discarded"]))
    def operate(self, data: st.DataObject, how: str) -> None:
        letters = open_ids(self.ledger)
        if letters:
            self._resolve(data.draw(st.sampled_from(letters)), how)

    def _resolve(self, letter: int, how: str) -> None:
        getattr(self.ledger, how)([letter], "ops", at(self.seconds))

    @invariant()
    def laws(self) -> None:
        counts = self.ledger.counts()
        standing = dict(stored(self.ledger, "SELECT status, count(*) FROM deliveries GROUP BY status"))
        assert standing == {name: counts[name] for name in STATUSES if counts[name]}
        assert counts["dead_letters_open"] == len(open_ids(self.ledger))
        books, events = self.ledger.reconciliation_snapshot(), self.ledger.event("event-1")
        ends = sum(end.total for end in books.final_counts.values())
        assert ends <= len(self.brought), "a message ended twice"
        assert ends >= len(self.acknowledged), "an acknowledged message has no end"
        if not events:
            return
        (event,) = events
        assert event.status == self.status or (self.status, event.status) in ALLOWED
        self.status = event.status
        final = tuple(getattr(event, name) for name in FINAL)
        if self.delivered is not None:
            assert final == self.delivered, "a delivered event changed"
        elif event.status == "delivered":
            self.delivered = final
        assert sum(books.unsettled.values()) == (event.status in ("sending", "waiting"))
        assert event.duplicate_count == counts["duplicates"]
        assert event.status != "delivered" or not open_ids(self.ledger)
        wrong = (
            "SELECT count(*) FROM dead_letters WHERE CASE WHEN resolution IN ('discarded', 'superseded')"
            " THEN payload IS NOT NULL WHEN resolution IS NULL THEN payload IS NULL END"
        )
        assert stored(self.ledger, wrong) == [(0,)], "an open letter lost its payload, or a closed one has it"

    @rule()
    def recount(self) -> None:
        assert self.ledger.miscounts() == [], "a counter differs from the rows"
        calls = "SELECT coalesce(outcome, 'in_flight'), count(*) FROM attempts GROUP BY outcome ORDER BY 1"
        hourly = "SELECT outcome, CAST(sum(attempts) AS int) FROM outcomes_hourly GROUP BY outcome ORDER BY 1"
        assert stored(self.ledger, hourly) == stored(self.ledger, calls)

    def teardown(self) -> None:
        """Bring all that was not acknowledged until everything has come to an end: each message, once."""
        for _ in range(2 * len(self.brought) + 2):
            self.seconds += 3 * LEASE_SECONDS
            for name in sorted(self.brought - self.acknowledged):
                answer = self._bring(name, "a", None)
                if isinstance(answer, Claimed):
                    number = self.ledger.begin_attempt(answer.claim, now=at(self.seconds))
                    self.ledger.complete(
                        answer.claim, number, result("delivered", self.seconds), now=at(self.seconds),
                        resolution=Resolution.ALREADY_REPORTED, integration_id=None,
                    )  # fmt: skip
                    self.acknowledged.add(name)
        assert self.acknowledged == self.brought
        assert ended(self.ledger) == len(self.brought)
        assert self.ledger.unsettled() == {}
        self.recount()


def test_any_interleaving_keeps_the_laws(ledger: Ledger) -> None:
    """Delivered never changes, one live claim at most, each message ends exactly once, the counts agree."""
    run_state_machine_as_test(
        lambda: Pipeline(ledger),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
