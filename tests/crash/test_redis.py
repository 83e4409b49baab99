"""Redis killed, frozen, wiped: workers and producers come back by themselves, and the books say what is so."""

import time

import pytest

from gong_worker.operations.reconcile import reconcile
from tests.crash.conftest import Start
from tests.support.pipeline import VISIBILITY_SECONDS, Pipeline
from tests.support.servers import wait_until

# Redis loading its file, the worker's next try to connect: seconds, and the patience for a busy machine.
BACK_SECONDS = 20
# With appendfsync everysec Redis may answer this much before it writes.
EVERYSEC_MAY_LOSE_SECONDS = 2.5


def delivered_again(line: Pipeline, number: int) -> float:
    """Seconds until a new event is at Gong."""
    before, started = line.gong.stats()["accepted"], time.monotonic()
    line.enqueue([number])
    wait_until(lambda: line.gong.stats()["accepted"] > before, "an event to be delivered", BACK_SECONDS)
    return time.monotonic() - started


@pytest.mark.parametrize("appendfsync", ["always", "everysec"])
def test_redis_killed_and_restarted(appendfsync: str, sqlite_url: str, pipeline: Start) -> None:
    """Redis killed under an idle and a busy worker: both go on within seconds, nothing is lost nor sent twice."""
    line = pipeline(sqlite_url, appendfsync=appendfsync, concurrency=3)
    workers = [line.worker(ready=False), line.worker(ready=False)]
    line.wait_ready(*workers)
    line.valkey.kill()
    line.valkey.start()
    delivered_again(line, 0)
    line.gong.settings(latency_ms=(100, 300))
    with line.producing(range(1, 90)):
        wait_until(lambda: line.gong.stats()["in_flight"] >= 2, "calls in flight")
        line.valkey.kill()
        killed_at = time.monotonic()
        wait_until(lambda: line.gong.stats()["in_flight"] == 0, "the calls to end")
        line.valkey.start()
    line.drain()
    assert all(worker.running() for worker in workers), line.account()
    lost = line.lost()
    if lost:
        assert appendfsync == "everysec"
        assert all(0 <= killed_at - line.last_at[event] < EVERYSEC_MAY_LOSE_SECONDS for event in lost)
    else:
        line.verify()


def test_redis_frozen_and_resumed(postgres_url: str, pipeline: Start) -> None:
    """Redis hanging for longer than the visibility timeout: producers fail fast, workers go on, no call twice."""
    line = pipeline(postgres_url, concurrency=3)
    workers = [line.worker(ready=False), line.worker(ready=False)]
    line.wait_ready(*workers)
    line.gong.settings(latency_ms=(100, 300))
    line.enqueue(range(40))
    wait_until(lambda: line.gong.stats()["in_flight"] >= 2, "calls in flight")
    line.valkey.freeze()
    frozen_at = time.monotonic()
    with line.producing(range(40, 50)):
        wait_until(lambda: time.monotonic() - frozen_at > VISIBILITY_SECONDS + 2, "the timeout to pass")
        assert line.unsure, "the producer was not told"
        line.valkey.resume()
        line.drain()
    delivered_again(line, 50)
    line.drain()
    assert all(worker.running() for worker in workers), line.account()
    books = line.verify()
    assert set(books.calls.values()) == {1}, books.calls


def test_redis_wiped_under_load(postgres_url: str, pipeline: Start) -> None:
    """After FLUSHALL the ledger, the day's count and the dedupe are there, and reconcile says how much is not."""
    line = pipeline(postgres_url, concurrency=3, calls_per_second=20)
    line.gong.settings(latency_ms=(50, 150))
    line.enqueue(range(40))
    line.enqueue(range(40, 60), lane="bulk")
    worker = line.worker()
    # What Redis counted at enqueue is known to the ledger within two seconds; a younger count would be gone.
    wait_until(
        lambda: sum(line.ledger.reconciliation_snapshot().enqueue_counts.values()) == 60,
        "the mirror of the intake",
    )
    wait_until(lambda: line.settled() >= 10, "some deliveries")
    line.redis.flushall()
    line.drain()
    survivors = line.accepted()
    lost = 60 - len(survivors)
    assert lost > 0
    found = reconcile(line.services)
    lanes = {row.lane.value: row.missing for row in found.drift}
    missing = {"live": 40, "bulk": 20}
    for event in survivors:
        missing["live" if int(event.removeprefix("view-")) < 40 else "bulk"] -= 1
    assert lanes == {lane: number for lane, number in missing.items() if number}, found
    # The producers enqueue all of it again, as from their outbox: what was delivered costs no call.
    line.enqueue(range(60))
    line.drain()
    assert worker.running()
    assert line.services.gate.status().last_24h >= 60
    books = line.verify(lost=lost)
    assert books.calls.total() == 60 and books.duplicates.total() == 60 - lost


def test_a_retry_after_learned_while_redis_is_away(sqlite_url: str, pipeline: Start) -> None:
    """A 429 answered while Redis restarts holds all the same: no call of its process inside the Retry-After."""
    line = pipeline(sqlite_url, concurrency=3)
    worker = line.worker()
    line.gong.settings(latency_ms=(1500, 1500))
    line.gong.fault("status", status=429, times=3, headers={"Retry-After": "8"})
    line.enqueue(range(12))
    wait_until(lambda: line.gong.stats()["in_flight"] == 3, "calls in flight")
    line.valkey.kill()
    wait_until(
        lambda: worker.log.count("action=report_failed") == 3, "the answers, which the gate cannot be told"
    )
    line.gong.settings(latency_ms=(0, 0))
    line.valkey.start()
    line.drain()
    books = line.verify()
    assert line.gong.stats()["inside_retry_after"] == 0
    assert books.calls.total() == 12 + 3
