"""A ledger that is away: nothing is acknowledged without its record, no call repeated because bookkeeping failed."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from gong_worker.ledger import migrate
from gong_worker.queue import inspect
from tests.crash.conftest import Start
from tests.support.own_postgres import alter_database, own_postgres
from tests.support.pipeline import VISIBILITY_SECONDS, Pipeline, locked, sqlite_path
from tests.support.processes import Process
from tests.support.servers import wait_until

EVENTS = 30
# Longer than a lease, so that only the worker's own patience keeps a second call from being made.
OUTAGE_SECONDS = VISIBILITY_SECONDS + 2


def shoot(line: Pipeline, outage: Callable[[], AbstractContextManager[None]], seconds: float) -> None:
    """An outage of the ledger in the middle of a run, with calls in flight; all laws hold afterwards."""
    line.gong.settings(latency_ms=(300, 500))
    line.enqueue(range(EVENTS))
    worker = line.worker()
    wait_until(lambda: line.gong.stats()["calls"] >= 6, "calls")
    with outage():
        wait_until(lambda: "intake_paused" in worker.log, "the worker to notice", 60)
        wait_until(lambda: line.gong.stats()["in_flight"] == 0, "the calls to end")
        line.enqueue(range(EVENTS, EVENTS + 3))  # producers need no ledger
        holding = Holding(line, worker)
        wait_until(lambda: holding.seconds() > seconds, "the outage", seconds + 60)
    line.drain()
    assert worker.running()
    books = line.verify()
    # Every call is known, and none was made twice.
    assert set(books.calls.values()) == {1} and books.known_calls == books.calls, books.calls
    assert worker.log.count("intake_resumed") >= 1


class Holding:
    """Watches, while the ledger is away, that no call is made and no message goes without its record."""

    def __init__(self, line: Pipeline, worker: Process) -> None:
        self.line = line
        self.calls = line.gong.stats()["calls"]
        self.recorded = worker.log.count("action=attempt")
        self.since = time.monotonic()
        assert self.calls > self.recorded, "no call was in flight when the ledger went away"

    def seconds(self) -> float:
        """For how long it has held by now."""
        assert self.line.gong.stats()["calls"] == self.calls, "a call without a ledger"
        queue = inspect.count(self.line.redis)
        assert queue.total == self.line.enqueued.total() - self.recorded, "a message went without its record"
        assert queue.unacked >= self.calls - self.recorded, (
            "a message with a call to be recorded was given away"
        )
        return time.monotonic() - self.since


def test_postgres_killed(pipeline: Start) -> None:
    """kill -9 of PostgreSQL under load: the worker holds, and goes on when it is back."""
    with own_postgres() as server:
        url = server.new_database()
        migrate(url)

        @contextmanager
        def killed() -> Iterator[None]:
            server.kill()
            yield
            server.start()

        shoot(pipeline(url), killed, OUTAGE_SECONDS)


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true"),
        ("SET default_transaction_read_only = on", "RESET default_transaction_read_only"),
    ],
    ids=["refusing", "read-only"],
)
def test_postgres_refusing(broken: str, mended: str, postgres_url: str, pipeline: Start) -> None:
    """PostgreSQL refusing connections, or every write: the worker holds, and goes on when that ends."""

    @contextmanager
    def outage() -> Iterator[None]:
        alter_database(postgres_url, broken)
        yield
        alter_database(postgres_url, mended)

    shoot(pipeline(postgres_url), outage, OUTAGE_SECONDS)


def test_sqlite_locked(sqlite_url: str, pipeline: Start) -> None:
    """SQLite held by another process for longer than anybody waits for it: the worker holds, and goes on."""

    @contextmanager
    def outage() -> Iterator[None]:
        with locked(sqlite_path(sqlite_url)):
            yield

    shoot(pipeline(sqlite_url), outage, 1.0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for the write-ahead log (4 MB); skipped where mounting is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    try:
        allowed = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        allowed = False
    if not allowed:
        pytest.skip("a disk can be filled only where mounting a tmpfs is allowed (root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_sqlite_disk_full(small_disk: Path, migrated_sqlite: Path, pipeline: Start) -> None:
    """The ledger's disk full: the worker holds, and goes on when there is room again."""
    ledger = small_disk / "ledger.db"
    ledger.write_bytes(migrated_sqlite.read_bytes())
    ballast = small_disk / "ballast"

    @contextmanager
    def outage() -> Iterator[None]:
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(b"\0" * 4096) == 4096:
                    pass
            except OSError:
                pass  # full
        yield
        ballast.unlink()

    shoot(pipeline(f"sqlite:///{ledger}"), outage, OUTAGE_SECONDS)


def test_a_second_message_waits_out_the_outage(postgres_url: str, pipeline: Start) -> None:
    """A ledger away longer than a lease while each event has a second message waiting: still one call an event."""
    line = pipeline(postgres_url, concurrency=8)
    workers = [line.worker(ready=False), line.worker(ready=False)]
    line.wait_ready(*workers)
    line.gong.settings(latency_ms=(1500, 1500))
    line.enqueue(range(16))
    wait_until(lambda: line.gong.stats()["in_flight"] == 16, "calls in flight")
    line.enqueue(range(16))
    alter_database(postgres_url, "ALLOW_CONNECTIONS false")
    wait_until(lambda: all("intake_paused" in worker.log for worker in workers), "the workers to notice", 60)
    since = time.monotonic()
    wait_until(lambda: time.monotonic() - since > OUTAGE_SECONDS, "the outage", OUTAGE_SECONDS + 60)
    alter_database(postgres_url, "ALLOW_CONNECTIONS true")
    line.drain()
    books = line.verify()
    assert set(books.calls.values()) == {1}, books.calls
