"""What one delivery costs: our worker beside a plain Celery task and a raw httpx loop, in one run on one machine.

`PYTHONPATH=. python benchmarks/throughput.py [--events 2000] [--rounds 2] [--backlog 100000]`. The gate is at 1,000/s,
so that it does not pace; the server takes every call at once. Processor time is the worker process's own, in user
and kernel; the better of the rounds counts, as other work on the machine only ever makes it worse.
"""

import argparse
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import sqlalchemy as sa

from benchmarks._plain_celery import PATH, QUEUE, delivered, plain_app, plain_engine
from gong_views import ViewQueue
from gong_worker.ledger import migrate, open_engine
from tests.support.processes import Process
from tests.support.servers import Postgres, Valkey, valkey, wait_until
from tests.support.views import sized_view

IDLE_MESSAGES = 60


@dataclass
class Figures:
    """Of one worker on one database."""

    per_second: float
    cpu_ms: float
    duplicate_ms: float
    p50_ms: float
    p99_ms: float


@contextmanager
def stand_in() -> Iterator[str]:
    """Its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._stand_in"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert select.select([process.stdout], [], [], 30)[0], "the stand-in did not start"
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def cpu_seconds(pid: int) -> float:
    """What a process and its children have used."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family)


def empty_for_long(empty: Callable[[], bool]) -> bool:
    """Stock kombu pops a message before it records it: for a moment it is in neither place."""
    for _ in range(4):
        if not empty():
            return False
        time.sleep(0.01)
    return True


def drain(worker: Process, enqueue: Callable[[], object], empty: Callable[[], bool]) -> tuple[float, float]:
    """Seconds and processor seconds that a worker takes for what is enqueued."""
    began, used = time.monotonic(), cpu_seconds(worker.pid)
    enqueue()
    wait_until(lambda: empty_for_long(empty), "the queue to drain", 600)
    return time.monotonic() - began, cpu_seconds(worker.pid) - used


def measure(
    worker: Process,
    events: int,
    put: Callable[[list[dict[str, Any]]], None],
    empty: Callable[[], bool],
    latencies: Callable[[str], list[float]],
) -> Figures:
    """Throughput and cost of new events and of duplicates; then the latency of single ones while idle."""
    put([sized_view(number) for number in range(200)])  # connections opened, code compiled
    wait_until(lambda: empty_for_long(empty), "the warm-up", 60)
    batch = [sized_view(number) for number in range(1_000, 1_000 + events)]
    seconds, used = drain(worker, lambda: put(batch), empty)
    _, again = drain(worker, lambda: put(batch), empty)
    for number in range(IDLE_MESSAGES):
        put([sized_view(number) | {"eventId": f"idle-{number}"}])
        wait_until(lambda: empty_for_long(empty), "one event", 30)
    waits = sorted(latencies("idle-%"))
    assert len(waits) == IDLE_MESSAGES
    return Figures(
        events / seconds,
        used / events * 1000,
        again / events * 1000,
        statistics.median(waits) * 1000,
        waits[int(len(waits) * 0.99) - 1] * 1000,
    )


@contextmanager
def our_worker(folder: Path, server: Valkey, database: str, gong: str) -> Iterator[Process]:
    """A worker that is ready."""
    environment = {
        "REDIS_URL": server.url,
        "DATABASE_URL": database,
        "GONG_BASE_URL": gong,
        "GONG_ACCESS_KEY": "key",
        "GONG_ACCESS_KEY_SECRET": "secret",
        "GONG_VIEWS_CALLS_PER_SECOND": "1000",
        "GONG_VIEWS_CALLS_PER_DAY": "100000000",
        "GONG_VIEWS_DATA_DIR": str(folder),
    }
    process = Process(["gong_worker", "worker"], folder / "ours.log", environment)
    try:
        wait_until(lambda: "worker_ready" in process.log or not process.running(), "our worker", 60)
        assert process.running(), process.log
        yield process
    finally:
        process.kill()


def ours(folder: Path, server: Valkey, database: str, gong: str, events: int) -> Figures:
    """Our worker."""
    migrate(database)
    engine = open_engine(database)
    with ViewQueue(server.url) as queue, server.client() as client:

        def put(batch: list[dict[str, Any]]) -> None:
            queue.enqueue_many(batch)

        def empty() -> bool:
            return not client.exists("gong-views.live", "gong-views.unacked", "gong-views.delayed")

        def latencies(pattern: str) -> list[float]:
            query = "SELECT enqueued_at, settled_at FROM deliveries WHERE event_id LIKE :pattern"
            types = {"enqueued_at": sa.DateTime(), "settled_at": sa.DateTime()}
            with engine.connect() as connection:
                rows = connection.execute(sa.text(query).columns(**types), {"pattern": pattern})
                return [(ended - began).total_seconds() for began, ended in rows]

        with our_worker(folder, server, database, gong) as worker:
            return measure(worker, events, put, empty, latencies)


def plain(
    folder: Path, server: Valkey, database: str, gong: str, events: int, *, pool: str = "threads"
) -> Figures:
    """The plain Celery task."""
    app, engine = plain_app(server.url), plain_engine(database)
    process = Process(
        ["benchmarks._plain_celery", server.url, database, gong, pool],
        folder / "plain.log",
        {"PYTHONPATH": os.pathsep.join(["."])},
    )
    try:
        wait_until(lambda: "worker_ready" in process.log or not process.running(), "the plain worker", 60)
        with server.client() as client, app.connection_for_write() as connection:
            producer = app.amqp.Producer(connection)

            def put(batch: list[dict[str, Any]]) -> None:
                for event in batch:
                    args = (event, time.time())
                    app.send_task("plain.deliver", args=args, producer=producer, argsrepr="-")

            def empty() -> bool:
                return not client.exists(QUEUE, "unacked")

            def latencies(pattern: str) -> list[float]:
                spent = delivered.c.delivered_at - delivered.c.enqueued_at
                with engine.connect() as connection:
                    found = sa.select(spent).where(delivered.c.event_id.like(pattern))
                    return list(connection.execute(found).scalars())

            return measure(process, events, put, empty, latencies)
    finally:
        process.kill()
        engine.dispose()


def raw_loop(gong: str, events: int) -> Figures:
    """httpx alone: one connection, one thread, nothing recorded."""
    with httpx.Client(base_url=gong, auth=("key", "secret"), trust_env=False) as client:
        batch = [sized_view(number) for number in range(events)]
        began, used = time.monotonic(), time.process_time()
        for event in batch:
            client.put(PATH, json=event).raise_for_status()
        seconds, spent = time.monotonic() - began, time.process_time() - used
    return Figures(events / seconds, spent / events * 1000, 0.0, seconds / events * 1000, 0.0)


def memory(folder: Path, gong: str, backlogs: list[int]) -> list[float]:
    """The worker's resident memory in MB while so many events wait and it delivers."""
    found = []
    for backlog in backlogs:
        with tempfile.TemporaryDirectory(dir=folder) as name, valkey(appendfsync="no") as server:
            database = f"sqlite:///{name}/ledger.db"
            migrate(database)
            with ViewQueue(server.url) as queue:
                queue.enqueue_many(sized_view(number) for number in range(backlog))
            with our_worker(Path(name), server, database, gong) as worker, server.client() as client:
                wait_until(
                    lambda client=client, n=backlog: client.llen("gong-views.live") < n - 500, "500 calls"
                )
                found.append(psutil.Process(worker.pid).memory_info().rss / 1e6)
    return found


def best(rounds: int, run: Callable[[], Figures]) -> Figures:
    """The run with the least processor time."""
    return min((run() for _ in range(rounds)), key=lambda figures: figures.cpu_ms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--backlog", type=int, default=100_000, help="0: no memory figures")
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--prefork", action="store_true", help="the plain task in processes as well")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        gong = stack.enter_context(stand_in())
        print(f"{'':26}{'/s':>7}{'CPU ms':>8}{'dup. ms':>9}{'idle p50 ms':>13}{'p99':>7}{'ours ÷ plain':>14}")

        def show(name: str, figures: Figures, peer: Figures | None = None) -> None:
            ratio = f"{figures.per_second / peer.per_second:14.2f}" if peer else ""
            print(
                f"{name:26}{figures.per_second:7.0f}{figures.cpu_ms:8.2f}{figures.duplicate_ms:9.2f}"
                f"{figures.p50_ms:13.1f}{figures.p99_ms:7.1f}{ratio}",
                flush=True,
            )

        show("raw httpx loop", best(arguments.rounds, lambda: raw_loop(gong, arguments.events)))
        postgres: Postgres | None = None
        if arguments.only != "sqlite":
            postgres = Postgres(folder)
            stack.callback(postgres.stop)
        for kind in ("sqlite", "postgresql"):
            if arguments.only not in (None, kind):
                continue
            numbers = iter(range(1000))

            def run(
                of: Callable[..., Figures], kind: str = kind, numbers: Iterator[int] = numbers, **options: Any
            ) -> Figures:
                here = folder / f"{kind}-{next(numbers)}"
                here.mkdir()
                database = f"sqlite:///{here}/ledger.db"
                if kind == "postgresql":
                    assert postgres is not None
                    database = postgres.new_database()
                with valkey(appendfsync="everysec") as server:
                    return of(here, server, database, gong, arguments.events, **options)

            peer = best(arguments.rounds, lambda run=run: run(plain))
            show(f"plain, threads 8, {kind}", peer)
            if arguments.prefork:
                show(
                    f"plain, prefork 8, {kind}",
                    best(arguments.rounds, lambda run=run: run(plain, pool="prefork")),
                )
            show(f"ours, threads 8, {kind}", best(arguments.rounds, lambda run=run: run(ours)), peer)
        if arguments.backlog:
            small, large = memory(folder, gong, [1_000, arguments.backlog])
            print(
                f"worker's memory, MB: {small:.1f} with 1,000 queued, {large:.1f} with {arguments.backlog:,}: "
                f"ratio {large / small:.2f}"
            )


if __name__ == "__main__":
    main()
