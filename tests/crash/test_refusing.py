"""A Redis that answers and refuses to write: full, read-only, short of replicas. Told once, and never a storm."""

import time

import pytest

from gong_views import QueueUnavailable
from gong_worker.queue.workers import read_workers
from tests.crash.conftest import Start
from tests.support.pipeline import Pipeline
from tests.support.servers import free_port, wait_until

BEGINS, ENDS = "action=redis_refuses_writes", "action=redis_accepts_writes"
# What a worker says of itself anyway, at its start and its end.
QUIET_LINES = 40


def other_lines(log: str) -> list[str]:
    """Those that tell of no attempt."""
    return [line for line in log.splitlines() if "action=attempt" not in line]


def test_a_full_redis_drains(sqlite_url: str, pipeline: Start) -> None:
    """maxmemory reached with noeviction: producers are refused, workers old and new deliver the whole backlog."""
    line = pipeline(sqlite_url, concurrency=4)
    old = line.worker()
    line.services.gate.hold("to fill it", "a test")
    line.enqueue(range(300))
    line.enqueue(range(300, 400), lane="bulk")
    line.redis.config_set("maxmemory-policy", "noeviction")
    line.redis.config_set("maxmemory", int(line.redis.info("memory")["used_memory"] * 0.9))
    with pytest.raises(QueueUnavailable, match="memory"):
        line.enqueue([1000])
    line.unsure.clear()
    line.services.gate.release("a test")
    new = line.worker()
    line.drain()
    wait_until(lambda: all(BEGINS in worker.log for worker in (old, new)), "both to tell")
    assert len(read_workers(line.redis)) == 2
    line.redis.config_set("maxmemory", 0)
    wait_until(lambda: all(ENDS in worker.log for worker in (old, new)), "both to tell the end")
    line.enqueue([1001])
    line.drain()
    line.verify()
    for worker in (old, new):
        assert (worker.log.count(BEGINS), worker.log.count(ENDS)) == (1, 1), worker.log
        assert len(other_lines(worker.log)) < QUIET_LINES, worker.log


def refuse(line: Pipeline, how: str) -> None:
    if how == "NOREPLICAS":
        line.redis.config_set("min-replicas-to-write", 1)
    else:
        line.redis.replicaof("127.0.0.1", free_port())


def accept(line: Pipeline, how: str) -> None:
    if how == "NOREPLICAS":
        line.redis.config_set("min-replicas-to-write", 0)
    else:
        line.redis.replicaof("NO", "ONE")


@pytest.mark.parametrize("how", ["NOREPLICAS", "READONLY"])
def test_a_refusing_redis_is_waited_for(how: str, sqlite_url: str, pipeline: Start) -> None:
    """While writes are refused no call is made and each worker, old or new, says so once; then all goes on."""
    line = pipeline(sqlite_url, concurrency=4)
    line.gong.settings(latency_ms=(50, 100))
    line.enqueue(range(200))
    old = line.worker()
    wait_until(lambda: line.gong.stats()["calls"] >= 8, "calls")
    refuse(line, how)
    wait_until(lambda: f"reason={how}" in old.log, "the old worker to tell")
    new = line.worker()
    wait_until(lambda: f"reason={how}" in new.log, "the new worker to tell")
    wait_until(lambda: line.gong.stats()["in_flight"] == 0, "the last calls")
    calls, since = line.gong.stats()["calls"], time.monotonic()
    wait_until(lambda: time.monotonic() - since > 6, "more than a visibility timeout to pass")
    assert line.gong.stats()["calls"] == calls
    accept(line, how)
    line.drain()
    books = line.verify()
    assert set(books.calls.values()) == {1}
    wait_until(lambda: all(ENDS in worker.log for worker in (old, new)), "both to tell the end")
    for worker in (old, new):
        assert (worker.log.count(BEGINS), worker.log.count(ENDS)) == (1, 1), worker.log
        assert len(other_lines(worker.log)) < QUIET_LINES, worker.log
        assert worker.terminate() == 0
    assert read_workers(line.redis) == []
