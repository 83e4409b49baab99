"""A whole pipeline of real processes that a test may shoot at, and the question whether its books still agree."""

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gong_views import QueueUnavailable, ViewQueue
from gong_worker.failpoints import POINTS, PRUNE_POINTS, RENEWAL_POINTS
from gong_worker.ledger import Ledger, open_engine
from gong_worker.ledger.lazy import LazyLedger
from gong_worker.operations.services import Services, make_gate, redis_client
from gong_worker.queue import inspect
from gong_worker.settings import WorkerSettings
from gong_worker.simulator import SimulatorClient
from tests.support.books import Books, read_books
from tests.support.processes import Process
from tests.support.servers import Valkey, wait_until
from tests.support.simulator import SimulatorProcess
from tests.support.views import view

# Everything short, so that what production does in a minute is seen in seconds.
REQUEST_TIMEOUT_SECONDS = 2
VISIBILITY_SECONDS = 5
# On a machine that does much else meanwhile.
PATIENCE_SECONDS = 90.0


class Pipeline:
    """Queue, ledger, simulator and workers; it remembers what was enqueued."""

    def __init__(
        self,
        folder: Path,
        valkey: Valkey,
        database_url: str,
        simulator: SimulatorProcess,
        *,
        credentials: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.valkey = valkey
        self.database_url = database_url
        self.simulator = simulator
        self.workers: list[Process] = []
        self.enqueued: Counter[str] = Counter()
        # Enqueues that failed, by event: each may have got through all the same.
        self.unsure: Counter[str] = Counter()
        # When each event was last enqueued (time.monotonic()).
        self.last_at: dict[str, float] = {}
        self.environment = {
            "REDIS_URL": valkey.url,
            "DATABASE_URL": database_url,
            **(
                {
                    "GONG_BASE_URL": simulator.url,
                    "GONG_ACCESS_KEY": "sim-key",
                    "GONG_ACCESS_KEY_SECRET": "sim-secret",
                }
                if credentials is None
                else credentials
            ),
            "GONG_VIEWS_DATA_DIR": str(folder),
            "GONG_VIEWS_CALLS_PER_SECOND": "100",
            "GONG_VIEWS_CONCURRENCY": "4",
            "GONG_VIEWS_MAX_ATTEMPTS": "50",
            "GONG_VIEWS_RETRY_BASE_SECONDS": "0.2",
            "GONG_VIEWS_RETRY_MAX_SECONDS": "1",
            "GONG_VIEWS_REQUEST_TIMEOUT_SECONDS": str(REQUEST_TIMEOUT_SECONDS),
            "GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS": str(VISIBILITY_SECONDS),
            **{f"GONG_VIEWS_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.ledger = Ledger(open_engine(database_url))
        self.redis = redis_client(valkey.url)
        loaded = WorkerSettings(**self.environment)
        lazy = LazyLedger(database_url, lambda: self.ledger)
        gate = make_gate(loaded, self.redis, self.ledger)
        self.services = Services(loaded, valkey.url, self.redis, lazy, gate)

    @property
    def gong(self) -> SimulatorClient:
        """The simulator's admin client; another one after a restart."""
        return self.simulator.client

    # -- workers -----------------------------------------------------------------------------------------

    def worker(
        self,
        *,
        ready: bool = True,
        stop_at: str | None = None,
        environment: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> Process:
        """Start a worker; `stop_at` is one of failpoints.POINTS."""
        own = {f"GONG_VIEWS_{name.upper()}": str(value) for name, value in settings.items()}
        environment = self.environment | dict(environment or {}) | own
        if stop_at is not None:
            assert stop_at in (*POINTS, *RENEWAL_POINTS, *PRUNE_POINTS)
            environment["GONG_VIEWS_TEST_STOP_AT"] = f"{stop_at}:{self.folder}"
        log = self.folder / f"worker-{len(self.workers)}.log"
        started = Process(["gong_worker", "worker"], log, environment)
        self.workers.append(started)
        if ready:
            self.wait_ready(started)
        return started

    def wait_ready(self, *workers: Process) -> None:
        """Wait until these workers take messages."""
        for one in workers:
            wait_until(
                lambda one=one: "worker_ready" in one.log or not one.running(), "a worker to be ready", 90
            )
            assert one.running(), one.log

    def wait_stopped_at(self, worker: Process, point: str) -> None:
        """Wait until a worker started with `stop_at` has stopped itself there."""
        marker = self.folder / f"{point}.{worker.pid}"
        wait_until(
            lambda: (marker.exists() and worker.stopped()) or not worker.running(),
            f"{point} to be reached",
            60,
        )
        assert worker.running(), worker.log

    # -- in and out --------------------------------------------------------------------------------------

    def enqueue(self, numbers: Iterable[int], *, lane: str = "live", prefix: str = "view-") -> None:
        """Put one event a number on the queue."""
        with ViewQueue(self.valkey.url) as queue:
            for number in numbers:
                self.put(queue, number, lane, prefix)

    def put(self, queue: ViewQueue, number: int, lane: str = "live", prefix: str = "view-") -> None:
        """Put one event on the queue; raises QueueUnavailable."""
        event = view(number, eventId=f"{prefix}{number}")
        try:
            queue.enqueue(event, lane)  # type: ignore[arg-type]
        except QueueUnavailable:
            self.unsure[event["eventId"]] += 1
            raise
        self.enqueued[event["eventId"]] += 1
        self.last_at[event["eventId"]] = time.monotonic()

    @contextmanager
    def producing(self, numbers: Iterable[int], *, pause_seconds: float = 0.02) -> Iterator[None]:
        """A producer beside the block, which tries each event until it is enqueued; ended after the block."""
        failures: list[BaseException] = []
        gap = threading.Event()

        def produce() -> None:
            try:
                with ViewQueue(self.valkey.url) as queue:
                    for number in numbers:
                        wait_until(lambda number=number: self._put(queue, number), "an enqueue", 60)
                        gap.wait(pause_seconds)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=produce, name="producer")
        thread.start()
        try:
            yield
        finally:
            thread.join()
        if failures:
            raise failures[0]

    def _put(self, queue: ViewQueue, number: int) -> bool:
        try:
            self.put(queue, number)
        except QueueUnavailable:
            return False
        return True

    def left(self) -> int:
        """Messages that are not at their end."""
        return inspect.count(self.redis).total

    def drained(self) -> bool:
        """Whether nothing is left to do; False also while a part is away."""
        try:
            counts = self.ledger.counts()
            return self.left() == 0 and counts["sending"] == counts["waiting"] == 0
        except Exception:
            return False

    def accepted(self) -> set[str]:
        """The ids of the events that the simulator has."""
        return {event for _, event in self.gong.accepted()}

    def lost(self) -> set[str]:
        """The ids of the events that were enqueued and did not get to the simulator."""
        return set(self.enqueued) - self.accepted()

    def settled(self) -> int:
        """Events that the ledger has brought to their end."""
        counts = self.ledger.counts()
        return counts["delivered"] + counts["dead"]

    def drain(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until everything is at its end."""
        try:
            wait_until(self.drained, "the queue to drain", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.account()}") from None

    def verify(self, *, dead: Iterable[str] = (), lost: int = 0, gong_died: bool = False) -> Books:
        """The laws that hold whatever was shot at; see `Books.check`."""
        books = self.books()
        self.check(books, dead=dead, lost=lost, gong_died=gong_died)
        return books

    def books(self) -> Books:
        """What every side says now."""
        return read_books(self.gong, self.redis, self.services)

    def check(
        self, books: Books, *, dead: Iterable[str] = (), lost: int = 0, gong_died: bool = False
    ) -> None:
        """As `verify`, on what was read before."""
        try:
            books.check(self.enqueued, dead=set(dead), unsure=self.unsure, lost=lost, gong_died=gong_died)
            for worker in self.workers:
                for action in ("delivery_failed", "celery_rejected", "delivery_unknown"):
                    assert f"action={action}" not in worker.log, f"{worker.log_path.name}: {action}"
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.account()}") from None

    def account(self) -> str:
        """What is needed to understand a failure."""
        parts = []
        for name, ask in {
            "queue": lambda: str(inspect.count(self.redis)),
            "ledger": lambda: json.dumps(self.ledger.counts()),
            "simulator": lambda: json.dumps(self.gong.stats()),
        }.items():
            try:
                parts.append(f"{name}: {ask()}")
            except Exception as error:
                parts.append(f"{name}: {error!r}")
        for worker in self.workers:
            state = "running" if worker.running() else f"ended with {worker.popen.returncode}"
            tail = "\n".join(worker.log.splitlines()[-25:])
            parts.append(f"-- {worker.log_path.name} (pid {worker.pid}, {state})\n{tail}")
        return "\n".join(parts)

    def close(self) -> None:
        """Kill what runs, by pid."""
        for worker in self.workers:
            worker.kill()
        self.redis.close()
        self.ledger.close()


@contextmanager
def locked(database: Path) -> Iterator[sqlite3.Connection]:
    """Another process's exclusive hold of a SQLite file."""
    other = sqlite3.connect(database, isolation_level=None, timeout=30)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield other
    finally:
        if other.in_transaction:
            other.execute("ROLLBACK")
        other.close()


def sqlite_path(database_url: str) -> Path:
    """The file of a SQLite URL."""
    return Path(database_url.removeprefix("sqlite:///"))
