"""The parts of a soak run, and what the strikes need of them."""

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from gong_views import ViewQueue
from gong_worker.domain.states import DeadLetterReason, Status
from gong_worker.ledger.models import DEAD_LETTERS, DELIVERIES, DUPLICATES
from tests.soak.producers import Producers
from tests.soak.schedule import Strike
from tests.soak.strikes import KINDS
from tests.support.clock_shim import SteppedClock, have_compiler
from tests.support.own_postgres import OwnPostgres
from tests.support.pipeline import Pipeline
from tests.support.processes import Process
from tests.support.servers import wait_until
from tests.support.views import view


class World:
    """A pipeline, its producers, its workers and their supervisor."""

    def __init__(
        self, line: Pipeline, postgres: OwnPostgres | None, producers: Producers, *, workers: int
    ) -> None:
        self.line = line
        self.postgres = postgres
        self.producers = producers
        self.struck: Counter[str] = Counter()
        self.at_risk: set[str] = set()
        """Messages (ids) that a promoted replica may never have had."""
        self._over = threading.Event()  # never set: its `wait` is the pause of this program
        self.done = threading.Event()
        self._lock = threading.Lock()
        self._down: set[int] = set()  # ended by a strike, to be started again by it
        self.clocks = [SteppedClock(line.folder / f"clock-{number}") for number in range(workers)]
        self.fleet = [self._worker(number) for number in range(workers)]
        line.wait_ready(*self.fleet)

    def wait(self, seconds: float) -> None:
        """Let a strike last."""
        self._over.wait(seconds)

    def strike(self, strike: Strike) -> None:
        """Do it, let it last, mend it."""
        self.struck[strike.name] += 1
        KINDS[strike.name].act(self, strike)

    def drain(self, seconds: float) -> None:
        """Wait until everything is at its end, with a good event now and then.

        A refusal is an event's own fault only while others succeed: the last events must not be poison alone.
        """
        company = itertools.count()
        with ViewQueue(self.line.valkey.url) as queue:

            def drained() -> bool:
                if self.line.drained():
                    return True
                event = view(0, eventId=f"company-{next(company)}")
                self.producers.put(lambda wire, lane: queue.enqueue(wire, lane).message_id, event, "live")
                self.wait(2)
                return self.line.drained()

            try:
                wait_until(drained, "the queue to drain", seconds)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.line.account()}") from None

    def check_poison(self) -> None:
        """An event refused for itself is a dead letter that says so, with the status that it was answered."""
        for event in self.line.ledger.every_event():
            if (status := self.producers.poison.get(event.event_id)) is None:
                continue
            letter = self.line.ledger.get_dead_letter(event.dead_letter_ids[-1])
            last = event.attempts[-1].http_status
            told = (letter.reason, letter.http_status)
            assert told == (DeadLetterReason.REFUSED, status) or last != status, (event.event_id, told)

    def lost(self) -> set[str]:
        """Confirmed messages (ids) that came to no end: only those that a promoted replica had missed."""
        final = sa.select(DELIVERIES.c.message_id).where(
            DELIVERIES.c.status.in_((Status.DELIVERED, Status.DEAD))
        )
        gone = {enqueued.message_id for enqueued in self.producers.confirmed}
        with self.line.ledger.engine.connect() as connection:
            for ends in (final, sa.select(DUPLICATES.c.message_id), sa.select(DEAD_LETTERS.c.message_id)):
                gone.difference_update(connection.execute(ends).scalars())
        assert gone <= self.at_risk, f"lost, and no replica to blame: {sorted(gone - self.at_risk)[:9]}"
        return gone

    # -- workers -----------------------------------------------------------------------------------------

    def _worker(self, number: int) -> Process:
        clock = self.clocks[number].environment if have_compiler() else {}
        return self.line.worker(ready=False, environment=clock)

    def supervise(self) -> None:
        """As a service manager does: start again what could not start while its servers were away."""
        while not self.done.wait(0.3):
            for number, worker in enumerate(list(self.fleet)):
                with self._lock:
                    if self.fleet[number] is worker and number not in self._down and not worker.running():
                        assert "worker_ready" not in worker.log, (
                            f"a worker ended by itself:\n{worker.log[-3000:]}"
                        )
                        self.struck["(started again)"] += 1
                        self.fleet[number] = self._worker(number)

    def victim(self, strike: Strike) -> tuple[int, Process]:
        """The worker that a strike is for."""
        number = strike.choice % len(self.fleet)
        return number, self.fleet[number]

    def replace_worker(self, strike: Strike, end: Callable[[Process], Any]) -> None:
        """End a worker, and start another when the strike is over."""
        with self._lock:
            number, worker = self.victim(strike)
            self._down.add(number)
        end(worker)
        self.wait(strike.seconds)
        with self._lock:
            self.fleet[number] = self._worker(number)
            self._down.discard(number)
