"""A message whose worker is silent goes to another; nothing is then called, or counted, twice."""

import time

import pytest

from tests.crash.conftest import Start
from tests.support.pipeline import VISIBILITY_SECONDS
from tests.support.servers import wait_until

# On PostgreSQL: a frozen process may sit in the middle of a transaction, which on SQLite stops every writer.


@pytest.mark.parametrize("point", ["attempt_row", "request_written", "answer_read"])
def test_a_frozen_worker_is_replaced_and_comes_back(point: str, postgres_url: str, pipeline: Start) -> None:
    """A worker frozen beyond the visibility timeout and resumed: never two calls in flight, nothing counted twice."""
    line = pipeline(postgres_url, concurrency=1)
    line.enqueue([0])
    frozen = line.worker(ready=False, stop_at=point)
    line.wait_stopped_at(frozen, point)
    line.enqueue(range(1, 4))
    other = line.worker()
    line.drain()
    frozen.resume()
    line.enqueue(range(4, 8))
    line.drain()
    # Both may be told to end, so both have nothing left in hand.
    for worker in (frozen, other):
        assert worker.terminate() == 0, worker.log
    books = line.verify()
    # Before the call it finds its claim gone and makes none; after the call its answer is kept beside the other's.
    assert books.calls["view-0"] == (1 if point == "attempt_row" else 2), books.calls
    assert sum(books.calls[f"view-{number}"] for number in range(1, 8)) == 7


def test_what_a_killed_worker_held_comes_back_soon(sqlite_url: str, pipeline: Start) -> None:
    """After kill -9 a running worker has the message again within the visibility timeout and a few seconds."""
    line = pipeline(sqlite_url, concurrency=1)
    line.enqueue([0])
    victim = line.worker(ready=False, stop_at="request_written")
    line.wait_stopped_at(victim, "request_written")
    other = line.worker()
    line.enqueue([1])
    wait_until(lambda: line.settled() == 1 or line.drained(), "the other worker to be at work")
    victim.kill()
    killed_at = time.monotonic()
    line.drain()
    assert time.monotonic() - killed_at < VISIBILITY_SECONDS + 10
    assert other.running()
    line.verify()
