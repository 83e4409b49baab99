"""What becomes of the same events, and what they cost in calls: our workers beside careful stock Celery, in one run.

`PYTHONPATH=. python benchmarks/promises.py [--events 150]`. Two workers each. The strict simulator, at 3 calls a
second, loses one reply in thirty, refuses some events for good, answers 503 three times, and 429 with Retry-After 5
once. A tenth of the events is enqueued twice; one worker is killed in the middle and started again 5 s later.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks._careful_celery import careful_app, outcomes
from benchmarks._plain_celery import metadata, plain_engine
from gong_views import ViewQueue
from gong_worker.ledger import migrate, open_engine
from gong_worker.simulator import SimulatorClient, running_simulator
from tests.support.processes import Process
from tests.support.servers import Valkey, valkey, wait_until
from tests.support.views import view

PATIENCE_SECONDS = 400
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "reject", "match": {"contentIdPrefix": "bad-"}, "times": None},
    {"kind": "lost_reply", "probability": 1 / 30, "times": None},
    {"kind": "status", "status": 503, "skip": 20, "times": 3},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "5"}, "skip": 50, "times": 1},
)


@dataclass
class Side:
    """One of the two under test."""

    start: Callable[[int], Process]
    put: Callable[[list[dict[str, Any]]], object]
    known: Callable[[], dict[str, str]]
    close: Callable[[], None]


def events_of(count: int) -> list[dict[str, Any]]:
    """The events, one in thirty of which Gong refuses for good."""
    made = [view(number) for number in range(count)]
    for event in made[5::30]:
        event["contentId"] = f"bad-{event['contentId']}"
    return made


def ours(folder: Path, server: Valkey, gong: str) -> Side:
    """gong-views."""
    database = f"sqlite:///{folder}/ledger.db"
    migrate(database)
    engine, queue = open_engine(database), ViewQueue(server.url)
    environment = {
        "REDIS_URL": server.url,
        "DATABASE_URL": database,
        "GONG_BASE_URL": gong,
        "GONG_ACCESS_KEY": "sim-key",
        "GONG_ACCESS_KEY_SECRET": "sim-secret",
        "GONG_VIEWS_DATA_DIR": str(folder),
        "GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS": "20",
    }

    def known() -> dict[str, str]:
        with engine.connect() as connection:
            rows = connection.execute(
                sa.text("SELECT event_id, status FROM deliveries WHERE status IN ('delivered', 'dead')")
            )
            return {row.event_id: row.status for row in rows}

    return Side(
        lambda number: Process(["gong_worker", "worker"], folder / f"ours-{number}.log", environment),
        queue.enqueue_many,
        known,
        queue.close,
    )


def careful(folder: Path, server: Valkey, gong: str, rate: str) -> Side:
    """Stock Celery."""
    database = f"sqlite:///{folder}/careful.db"
    app, engine = careful_app(server.url), plain_engine(database)
    metadata.create_all(engine)

    def known() -> dict[str, str]:
        with engine.connect() as connection:
            return {row.event_id: row.outcome for row in connection.execute(sa.select(outcomes))}

    def put(batch: list[dict[str, Any]]) -> None:
        for event in batch:
            app.send_task("careful.deliver", args=(event,), argsrepr="-")

    return Side(
        lambda number: Process(
            ["benchmarks._careful_celery", server.url, database, gong, rate],
            folder / f"careful-{number}.log",
            {"PYTHONPATH": os.pathsep.join(["."])},
        ),
        put,
        known,
        engine.dispose,
    )


def run(name: str, side: Side, simulator: SimulatorClient, events: list[dict[str, Any]]) -> None:
    """Enqueue, kill, wait for the end, and print what came of it."""
    workers = [side.start(0), side.start(1)]
    try:
        for worker in workers:
            wait_until(lambda worker=worker: "worker_ready" in worker.log, "a worker", 60)
        began = time.monotonic()
        side.put([*events, *events[::10]])
        wait_until(lambda: len(simulator.accepted()) > len(events) // 3, "a third", PATIENCE_SECONDS)
        workers[0].kill()
        killed = time.monotonic()
        wait_until(lambda: time.monotonic() > killed + 5, "five seconds", 10)
        workers[0] = side.start(2)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(side.known()) < len(events) and time.monotonic() < deadline:
            time.sleep(0.2)
        seconds = time.monotonic() - began
    finally:
        for worker in workers:
            worker.kill()
        side.close()
    log = [entry for entry in simulator.log() if entry["key"]]
    accepted = Counter(entry["key"][1] for entry in log if entry["accepted"])
    statuses = Counter(entry["status"] for entry in log)
    unknown = {event["eventId"] for event in events} - side.known().keys()
    print(
        f"{name:34}{len(accepted):9}{len(unknown):9}{len(log):7}{statuses[429]:6}"
        f"{statuses[409]:6}{len(log) / len(events):8.2f}{seconds:9.0f}{len(log) / seconds:8.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=150)
    arguments = parser.parse_args()
    events = events_of(arguments.events)
    refused = sum(event["contentId"].startswith("bad-") for event in events)
    print(f"{len(events)} events, {refused} of which are refused for good; at best {len(events) / 3:.0f} s")
    columns = {
        "accepted": 9,
        "untold": 9,
        "calls": 7,
        "429s": 6,
        "409s": 6,
        "a event": 8,
        "seconds": 9,
        "calls/s": 8,
    }
    print(" " * 34 + "".join(f"{name:>{width}}" for name, width in columns.items()))
    sides: dict[str, Callable[[Path, Valkey, str], Side]] = {
        "gong-views": ours,
        "stock Celery, rate_limit 3/s": lambda *where: careful(*where, "3/s"),
        "stock Celery, rate_limit 1.5/s": lambda *where: careful(*where, "90/m"),
    }
    for name, make in sides.items():
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = stack.enter_context(valkey(appendfsync="everysec"))
            simulator = stack.enter_context(
                running_simulator(seed=1, latency_ms=(50.0, 150.0), faults=FAULTS)
            )
            run(name, make(folder, server, simulator.url), simulator, events)


if __name__ == "__main__":
    main()
