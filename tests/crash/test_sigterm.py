"""SIGTERM: what is in flight is finished and recorded, what waits goes back at once."""

import itertools
import os
import signal
import time

import pytest

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


@pytest.mark.parametrize("name", ["SIGHUP", "SIGQUIT"])
def test_other_signals(name: str, sqlite_url: str, pipeline: Start) -> None:
    """A hangup and SIGQUIT stop a worker in order; SIGUSR1 shows nothing of the events and credentials at hand."""
    line = pipeline(sqlite_url, concurrency=4)
    line.gong.settings(latency_ms=(400, 500))
    line.enqueue(range(12))
    worker = line.worker()
    wait_until(lambda: line.gong.stats()["in_flight"] >= 2, "calls in flight")
    os.kill(worker.pid, signal.SIGUSR1)
    called = line.gong.stats()["calls"]
    wait_until(lambda: line.gong.stats()["calls"] > called, "it to go on")
    os.kill(worker.pid, getattr(signal, name))
    assert worker.popen.wait(30) == 0, worker.log
    assert inspect.count(line.redis).unacked == line.ledger.counts()["sending"] == 0
    assert "globex" not in worker.log and "sim-secret" not in worker.log and "Traceback" not in worker.log
    assert len(worker.log.splitlines()) < 40, worker.log


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_a_wide_worker_leaves_no_gap(how: str, sqlite_url: str, pipeline: Start) -> None:
    """A worker with 64 threads goes away, in order or not: at 3/s the next call is made within 2 s, none refused."""
    line = pipeline(sqlite_url, concurrency=1, calls_per_second=3)
    line.gong.settings(per_second=3)
    line.enqueue(range(120))
    wide = line.worker(concurrency=64)
    wait_until(lambda: inspect.count(line.redis).unacked >= 64, "every thread to hold a message")
    narrow = line.worker(concurrency=1)
    called = line.gong.stats()["calls"]
    wait_until(lambda: line.gong.stats()["calls"] > called + 2, "both to be at work")
    gone_at = time.monotonic()
    if how == "SIGTERM":
        assert wide.terminate() == 0
        assert inspect.count(line.redis).unacked <= 1, "messages that were not given back"
    else:
        wide.kill()
    called = line.gong.stats()["calls"]
    wait_until(lambda: line.gong.stats()["calls"] >= called + 6, "six more calls")
    arrivals = sorted(call["arrived_monotonic"] for call in line.gong.log())
    after = [at for at in arrivals if at > gone_at - 1]
    gaps = [later - sooner for sooner, later in itertools.pairwise(after)]
    assert max(gaps) < 2, gaps
    assert line.gong.stats()["outcomes"].get("throttled", 0) == 0
    assert narrow.running()
