"""Real workers, a real Valkey, SQLite, and the simulator, which judges every sliding second; another one calls, too."""

import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

from benchmarks._sharing import Calls, Cell, Pattern
from gong_views.names import Lane
from gong_worker.ledger import migrate
from tests.support.pipeline import Pipeline
from tests.support.servers import valkey
from tests.support.simulator import PATH, gong_client, sample_event, simulator_process

WARM_UP_SECONDS = 45.0
STRAY_SECONDS = 60.0
SETTLED_SECONDS, DURING_SECONDS = 40.0, 75.0
OTHER = "other"


@contextmanager
def at_work(lane: Lane, limit: int, events: int, workers: int, jitter_ms: float) -> Iterator[Pipeline]:
    """Workers that have taken up a backlog."""
    way = (0.0, jitter_ms)
    with tempfile.TemporaryDirectory() as name, valkey(appendfsync="everysec") as server:
        folder = Path(name)
        url = f"sqlite:///{folder / 'ledger.db'}"
        migrate(url)
        with simulator_process(
            folder / "simulator.jsonl", per_second=limit, per_day=None, refused_calls_count=False,
            inbound_latency_ms=way, latency_ms=way,
        ) as simulator:  # fmt: skip
            pipeline = Pipeline(
                folder, server, url, simulator, calls_per_second=limit, calls_per_day=1_000_000, concurrency=8
            )
            try:
                pipeline.enqueue(range(events), lane=lane.value)
                started = [pipeline.worker(ready=False) for _ in range(workers)]
                pipeline.wait_ready(*started)
                yield pipeline
            finally:
                pipeline.close()


def live(
    pattern: Pattern, seconds: float, *, lane: Lane, seed: int, limit: int, workers: int, jitter_ms: float
) -> Cell:
    """One cell; both are counted when they have been at it for a while."""
    whole = WARM_UP_SECONDS + seconds
    with at_work(lane, limit, int(limit * (whole + 30)), workers, jitter_ms) as pipeline:
        start = time.monotonic()
        call(pipeline.gong.url, pattern, whole, seed)
        threading.Event().wait(max(0.0, start + whole - time.monotonic()))
        log = pipeline.gong.log()
    calls: dict[bool, Calls] = {True: [], False: []}
    for one in log:
        at = one["arrived_monotonic"] - start
        if one["key"] and WARM_UP_SECONDS <= at < whole:
            calls[one["key"][0] == OTHER].append((at - WARM_UP_SECONDS, one["outcome"] != "throttled"))
    return Cell(limit, seconds, calls[False], calls[True])


def live_stray(*, limit: int, workers: int) -> float:
    """Calls that one 429 with Retry-After 1 costs within the minute after it, by the pace before it."""
    with at_work(Lane.LIVE, limit, int(limit * 150), workers, 0.0) as pipeline:
        wait = threading.Event()
        wait.wait(WARM_UP_SECONDS)
        pipeline.gong.fault("status", status=429, headers={"Retry-After": "1"})
        wait.wait(STRAY_SECONDS + 5)
        log = pipeline.gong.log()
    refused = [one["arrived_monotonic"] for one in log if one["status"] == 429]
    assert len(refused) == 1, f"{len(refused)} refusals instead of the one that was asked for"
    at = refused[0]
    before = sum(at - 30 <= one["arrived_monotonic"] < at for one in log) / 30
    after = sum(at < one["arrived_monotonic"] <= at + STRAY_SECONDS for one in log)
    return before * STRAY_SECONDS - after


def live_settling(pattern: Pattern, *, seed: int, limit: int, workers: int) -> tuple[float, float]:
    """Seconds from another one's coming until we hold back, and from its going until all is used again."""
    with at_work(Lane.LIVE, limit, limit * 250, workers, 0.0) as pipeline:
        wait, shares, stop = threading.Event(), [], threading.Event()

        def sample() -> None:
            while not stop.wait(0.5):
                shares.append((time.monotonic(), pipeline.services.gate.status().shares[Lane.LIVE].calls))

        sampler = threading.Thread(target=sample)
        sampler.start()
        wait.wait(SETTLED_SECONDS)
        came = time.monotonic()
        call(pipeline.gong.url, pattern, DURING_SECONDS, seed)
        went = time.monotonic()
        wait.wait(SETTLED_SECONDS)
        stop.set()
        sampler.join()
    lowered = [at for at, calls in shares if at > came and calls < limit]
    return min(lowered, default=went) - came, max(0.0, max(lowered, default=went) + 0.5 - went)


def call(url: str, pattern: Pattern, seconds: float, seed: int) -> None:
    """Be the other integration for so long, or until it has no more calls; it never tries one again."""
    start, wait = time.monotonic(), threading.Event()
    with gong_client(url) as client:
        for number, moment in enumerate(takewhile(lambda one: one < seconds, pattern(random.Random(seed)))):
            wait.wait(max(0.0, start + moment - time.monotonic()))
            event: dict[str, Any] = sample_event(f"o-{number}", reportingSystem=OTHER)
            client.put(PATH, json=event)
