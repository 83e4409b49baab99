"""Workers whose wall clocks are wrong share events as if all were right."""

import time
from pathlib import Path

import pytest

from tests.crash.conftest import Start
from tests.support.clock_shim import SteppedClock, have_compiler
from tests.support.pipeline import VISIBILITY_SECONDS
from tests.support.servers import wait_until


@pytest.mark.skipif(
    not have_compiler(), reason="the clock shim has to be compiled and there is no C compiler"
)
def test_a_worker_ten_minutes_ahead(ledger_url: str, pipeline: Start, tmp_path: Path) -> None:
    """It takes over no live claim, and what it held when killed is free again after one lease."""
    clock = SteppedClock(tmp_path / "clock")
    clock.step(600)
    line = pipeline(ledger_url, concurrency=1)
    line.enqueue([0])
    ahead = line.worker(ready=False, stop_at="request_written", environment=clock.environment)
    line.wait_stopped_at(ahead, "request_written")
    ahead.kill()
    killed_at = time.monotonic()
    right = line.worker()
    wait_until(lambda: line.ledger.counts()["delivered"] == 1, "the event of the killed worker")
    assert time.monotonic() - killed_at < 2 * VISIBILITY_SECONDS + 5

    line.gong.settings(latency_ms=(700, 700))
    ahead = line.worker(environment=clock.environment)
    line.enqueue([1, 1, 2, 2])
    line.drain(30)
    line.gong.settings(latency_ms=(0, 0))
    for worker in (ahead, right):
        assert worker.terminate() == 0, worker.log
    books = line.verify()
    assert (books.calls["view-1"], books.calls["view-2"]) == (1, 1)
    first_seen = line.ledger.event("view-1")[0].first_seen_at
    assert abs(first_seen.timestamp() - time.time()) < 60, "the ledger's times are of one clock"
