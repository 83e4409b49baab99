"""SIGTERM: what is in flight is finished and recorded, what waits goes back at once."""

import time

from gong_worker.queue import inspect
from tests.crash.conftest import Start
from tests.support.pipeline import REQUEST_TIMEOUT_SECONDS
from tests.support.servers import wait_until


def test_a_stopped_worker_leaves_nothing_half_done(postgres_url: str, pipeline: Start) -> None:
    """Calls in flight end and are recorded, the others are back in their lane, and the next worker goes on."""
    line = pipeline(postgres_url, concurrency=6, calls_per_second=4)
    line.gong.settings(latency_ms=(900, 1000))
    line.enqueue(range(8))
    line.enqueue(range(8, 16), lane="bulk")
    first = line.worker()
    wait_until(lambda: line.gong.stats()["in_flight"] >= 2, "calls in flight")
    told_at = time.monotonic()
    assert first.terminate() == 0, first.log
    assert time.monotonic() - told_at < REQUEST_TIMEOUT_SECONDS + 8
    counts = line.ledger.counts()
    queue = inspect.count(line.redis)
    assert queue.unacked == queue.delayed == counts["sending"] == 0, (queue, counts)
    assert queue.live + queue.bulk == 16 - counts["delivered"]
    assert counts["delivered"] == line.gong.stats()["calls"]
    line.gong.settings(latency_ms=(0, 0))
    line.worker(calls_per_second=100)
    line.drain()
    books = line.verify()
    assert books.calls.total() == 16 and not books.unknown_calls


def test_an_idle_worker_stops_quickly(sqlite_url: str, pipeline: Start) -> None:
    """With nothing in flight SIGTERM ends a worker well within ten seconds."""
    line = pipeline(sqlite_url)
    idle = line.worker()
    told_at = time.monotonic()
    assert idle.terminate() == 0, idle.log
    assert time.monotonic() - told_at < 10
