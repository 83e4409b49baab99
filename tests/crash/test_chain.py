"""A thread takes the next message with the end of another: frozen or stopped in between, nothing is lost or doubled."""

from gong_worker.queue import inspect
from tests.crash.conftest import Start
from tests.support.servers import wait_until


def test_a_worker_frozen_between_two_messages(postgres_url: str, pipeline: Start) -> None:
    """Frozen with a message that it has taken and does not know of, then resumed: another delivers it, once."""
    line = pipeline(postgres_url, concurrency=1)
    line.enqueue(range(3))
    frozen = line.worker(ready=False, stop_at="chained")
    line.wait_stopped_at(frozen, "chained")
    line.worker()
    line.drain()
    frozen.resume()
    line.enqueue(range(3, 8))
    line.drain()
    for worker in line.workers:
        assert worker.terminate() == 0, worker.log
    books = line.verify()
    assert books.calls.total() == 8 and set(books.calls.values()) == {1}


def test_a_chain_stops_at_once(sqlite_url: str, pipeline: Start) -> None:
    """SIGTERM at full speed: calls in flight are recorded, nothing is left in hand, none is made twice."""
    line = pipeline(sqlite_url, concurrency=4, calls_per_second=300)
    line.enqueue(range(300))
    worker = line.worker()
    wait_until(lambda: line.gong.stats()["calls"] > 40, "the worker to be at speed")
    assert worker.terminate() == 0, worker.log
    counts, queue = line.ledger.counts(), inspect.count(line.redis)
    assert queue.unacked == queue.delayed == counts["sending"] == 0, (queue, counts)
    assert 0 < queue.live == 300 - counts["delivered"]
    assert counts["delivered"] == line.gong.stats()["calls"]
    line.worker()
    line.drain()
    assert line.verify().calls.total() == 300
