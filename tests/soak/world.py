"""The parts of a soak run and how each strike is struck and mended."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gong_views import QueueUnavailable, ViewQueue
from gong_worker.gate import GateUnavailable
from tests.soak.schedule import Strike
from tests.support.own_postgres import OwnPostgres, alter_database
from tests.support.pipeline import Pipeline, locked, sqlite_path
from tests.support.processes import Process
from tests.support.servers import wait_until
from tests.support.views import view

REFUSED = "refused-"
# None lasts so long that a call is still open at the simulator when its frozen worker has been replaced.
MISBEHAVIOURS: tuple[dict[str, Any], ...] = (
    {"kind": "reset_after"},
    {"kind": "lost_reply"},
    {"kind": "half_answer", "fraction": 0.05},
    {"kind": "half_answer", "fraction": 0.9},
    {"kind": "trickle", "seconds": 0.012},
    {"kind": "hang", "seconds": 2.5},
    {"kind": "status", "status": 500, "body": "<html>sorry</html>"},
    {"kind": "gzip"},
    {"kind": "huge_body", "megabytes": 2},
    {"kind": "garbage"},
    {"kind": "wrong_date", "seconds": -86_400},
)


class World:
    """A pipeline, its producers, and the strikes that hit it."""

    def __init__(self, line: Pipeline, postgres: OwnPostgres | None, *, workers: int, seed: int) -> None:
        self.line = line
        self.postgres = postgres
        self.chance = random.Random(seed)
        self.struck: Counter[str] = Counter()
        self.refused: set[str] = set()
        self.over = threading.Event()  # never set: its `wait` is the pause of this program
        self.done = threading.Event()
        self.lock = threading.Lock()
        self.down: set[int] = set()  # ended by a strike, to be started again by it
        self.fleet = [line.worker(ready=False) for _ in range(workers)]
        line.wait_ready(*self.fleet)
        self.refuse()

    def refuse(self) -> None:
        """Gong takes no event of some contents; the simulator forgets that when it is killed."""
        self.line.gong.fault("reject", times=None, match={"contentIdPrefix": REFUSED})

    # -- producers ---------------------------------------------------------------------------------------

    def produce(self, numbers: range, seed: int, pause_seconds: float) -> None:
        """Enqueue an event a number; some go on the bulk lane, some twice, some will be refused by Gong."""
        chance = random.Random(seed)
        with ViewQueue(self.line.valkey.url) as queue:
            for number in numbers:
                refused = chance.random() < 0.02
                lane = "bulk" if chance.random() < 0.3 else "live"
                event = view(number, contentId=f"{REFUSED if refused else 'deck-'}{number}")
                if refused:
                    self.refused.add(event["eventId"])
                for _ in range(2 if chance.random() < 0.05 else 1):
                    wait_until(
                        lambda event=event, lane=lane: self._put(queue, event, lane), "an enqueue", 120
                    )
                self.over.wait(pause_seconds)

    def _put(self, queue: ViewQueue, event: dict[str, Any], lane: str) -> bool:
        try:
            queue.enqueue(event, lane)  # type: ignore[arg-type]
        except QueueUnavailable:
            with self.lock:
                self.line.unsure[event["eventId"]] += 1
            return False
        with self.lock:
            self.line.enqueued[event["eventId"]] += 1
        return True

    # -- strikes -----------------------------------------------------------------------------------------

    def strike(self, strike: Strike) -> None:
        """Do it, let it last, mend it."""
        self.struck[strike.name] += 1
        method: Callable[[Strike], None] = getattr(
            self, "_" + strike.name.replace(" ", "_").replace("-", "_")
        )
        method(strike)

    def supervise(self) -> None:
        """As a service manager does: start again what could not start while its servers were away."""
        while not self.done.wait(0.3):
            for number, worker in enumerate(list(self.fleet)):
                with self.lock:
                    if self.fleet[number] is worker and number not in self.down and not worker.running():
                        assert "worker_ready" not in worker.log, (
                            f"a worker ended by itself:\n{worker.log[-3000:]}"
                        )
                        self.struck["(started again)"] += 1
                        self.fleet[number] = self.line.worker(ready=False)

    def _victim(self, strike: Strike) -> tuple[int, Process]:
        number = strike.choice % len(self.fleet)
        return number, self.fleet[number]

    def _end(self, strike: Strike, end: Callable[[Process], object]) -> None:
        with self.lock:
            number, worker = self._victim(strike)
            self.down.add(number)
        end(worker)
        self.over.wait(strike.seconds)
        with self.lock:
            self.fleet[number] = self.line.worker(ready=False)
            self.down.discard(number)

    def _kill_worker(self, strike: Strike) -> None:
        self._end(strike, Process.kill)

    def _stop_worker(self, strike: Strike) -> None:
        self._end(strike, lambda worker: worker.terminate(60))

    def _freeze_worker(self, strike: Strike) -> None:
        _, worker = self._victim(strike)
        with suppress(ProcessLookupError):  # it could not start
            worker.freeze()
            self.over.wait(strike.seconds)
            worker.resume()

    def _kill_redis(self, strike: Strike) -> None:
        self.line.valkey.kill()
        self.over.wait(strike.seconds)
        self.line.valkey.start()

    def _freeze_redis(self, strike: Strike) -> None:
        self.line.valkey.freeze()
        self.over.wait(strike.seconds)
        self.line.valkey.resume()

    def _kill_gong(self, strike: Strike) -> None:
        self.line.simulator.kill()
        self.over.wait(strike.seconds)
        self.line.simulator.start()
        self.refuse()

    def _gong_answers_502(self, strike: Strike) -> None:
        self._rule(strike, kind="status", status=502, body="<html>bad gateway</html>", times=None)

    def _gong_says_429(self, strike: Strike) -> None:
        self._rule(strike, kind="status", status=429, headers={"Retry-After": "1"}, times=2)

    def _gong_misbehaves(self, strike: Strike) -> None:
        chosen = MISBEHAVIOURS[strike.choice % len(MISBEHAVIOURS)]
        self._rule(strike, **chosen, times=None, probability=0.3)

    def _rule(self, strike: Strike, *, kind: str, **rule: Any) -> None:
        number = self.line.gong.fault(kind, **rule)
        self.over.wait(strike.seconds)
        self.line.gong.clear_faults(number)

    def _operator_holds(self, strike: Strike) -> None:
        with suppress(GateUnavailable):
            self.line.services.gate.hold("soak", "soak")
            self.over.wait(strike.seconds)
        wait_until(self._released, "the release", 60)

    def _released(self) -> bool:
        try:
            self.line.services.gate.release("soak")
        except GateUnavailable:
            return False
        return True

    def _kill_postgres(self, strike: Strike) -> None:
        assert self.postgres is not None
        self.postgres.kill()
        self.over.wait(strike.seconds)
        self.postgres.start()

    def _postgres_refuses(self, strike: Strike) -> None:
        alter_database(self.line.database_url, "ALLOW_CONNECTIONS false")
        self.over.wait(strike.seconds)
        alter_database(self.line.database_url, "ALLOW_CONNECTIONS true")

    def _postgres_read_only(self, strike: Strike) -> None:
        alter_database(self.line.database_url, "SET default_transaction_read_only = on")
        self.over.wait(strike.seconds)
        alter_database(self.line.database_url, "RESET default_transaction_read_only")

    def _lock_sqlite(self, strike: Strike) -> None:
        with locked(Path(sqlite_path(self.line.database_url))):
            self.over.wait(strike.seconds)
