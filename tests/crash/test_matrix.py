"""The crash matrix: kill -9 between every two steps of a delivery, on both databases, then a new worker."""

import pytest

from gong_worker.signals import POINTS
from tests.crash.conftest import Start
from tests.support.pipeline import VISIBILITY_SECONDS

EVENTS = 6
# From here on Gong has the event, so that the worker after the crash learns of it by a 409, or from the ledger.
SENT = POINTS[POINTS.index("request_written") :]
RECORDED = POINTS[POINTS.index("committed") :]


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at(point: str, ledger_url: str, pipeline: Start) -> None:
    """kill -9 at any step, then a new worker: each event accepted once, its record right, nothing left behind."""
    line = pipeline(ledger_url, concurrency=2)
    line.enqueue(range(EVENTS))
    line.enqueue([0, 1])  # sent again by a backend that retries
    victim = line.worker(ready=False, stop_at=point)
    line.wait_stopped_at(victim, point)
    victim.kill()
    before = line.gong.stats()["calls"]
    line.worker(ready=False)
    line.drain(60 + VISIBILITY_SECONDS)
    books = line.verify()
    repeated = books.calls.total() - EVENTS
    if point in RECORDED or point not in SENT:
        # Both threads of the victim may have been at it; the other one's call is the only one repeated.
        assert repeated <= 1, books.calls
    else:
        assert 1 <= repeated <= 2, books.calls
    assert before <= 2 * EVENTS
