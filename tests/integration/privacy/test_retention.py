"""The retention settings in real worker processes: one of two prunes, and the other one goes on when it is killed."""

import threading
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
import sqlalchemy as sa

from gong_views import EventKey
from gong_views.names import ENQUEUE_COUNTS_KEY, RETENTION_KEY, Lane
from gong_worker.domain.audit import AuditAction
from gong_worker.ledger import Ledger, LedgerUnavailable
from gong_worker.ledger.transactions import reading
from gong_worker.operations.retention import BATCH, Retention
from gong_worker.queue.daily import DAY_SECONDS, LEASE_SECONDS
from gong_worker.queue.messages import enqueue_count_field
from tests.integration.ledger.support import START, at, claimed, deliver
from tests.integration.privacy.conftest import Command, on_sqlite
from tests.support.pipeline import Pipeline
from tests.support.processes import Process
from tests.support.servers import wait_until

OLD = 2 * BATCH + 50


def ended(pipeline: Pipeline, name: str, count: int, seconds: float) -> None:
    """Events that were delivered so long after the ledger tests' clock began."""
    for number in range(count):
        key = EventKey("content-hub", f"{name}-{number}")
        claim = claimed(pipeline.ledger, f"{name}-{number}", seconds, key=key, enqueued=seconds)
        deliver(pipeline.ledger, claim, seconds)
    # They never came through the queue: it is told of them, or the reconciliation would miss them.
    pipeline.redis.hincrby(ENQUEUE_COUNTS_KEY, enqueue_count_field(Lane.LIVE, at(seconds)), count)


def left(pipeline: Pipeline, name: str) -> int:
    """How many of them the ledger has."""
    query = sa.text("SELECT count(*) FROM deliveries WHERE event_id LIKE :names")
    # Not with SQLite's write lock, which a worker that is stopped may have.
    with reading(pipeline.ledger.engine) as connection:
        return int(connection.execute(query, {"names": f"{name}-%"}).scalar_one())


def lease(pipeline: Pipeline) -> bytes:
    return cast(bytes | None, pipeline.redis.get(RETENTION_KEY)) or b""


def let_it_run_out(pipeline: Pipeline, most_seconds: int) -> None:
    """What time does, sooner: whoever has the day's lease has it no longer."""
    assert 0 < cast(int, pipeline.redis.ttl(RETENTION_KEY)) <= most_seconds
    pipeline.redis.pexpire(RETENTION_KEY, 1)


def pruned_logs(*workers: Process) -> int:
    return sum(worker.log.count("action=pruned") for worker in workers)


def test_one_of_two_workers_prunes_and_the_other_goes_on_when_it_is_killed(
    pipeline: Pipeline, run: Command
) -> None:
    """What is old goes, once, whoever dies; what is young stays; deliveries go on; every count is right."""
    ended(pipeline, "old", OLD, 0)
    ended(pipeline, "young", 3, (datetime.now(UTC) - timedelta(hours=23) - START).total_seconds())
    pipeline.gong.fault("reject", times=None, match={"eventId": "view-1"})
    settings = {"retention_days": 1, "retention_keep_keys": "false", "stop_at": "pruned"}
    workers = [pipeline.worker(ready=False, **settings) for _ in range(2)]
    pipeline.wait_ready(*workers)
    with pipeline.producing(range(300)):
        markers = {worker.pid: pipeline.folder / f"pruned.{worker.pid}" for worker in workers}
        wait_until(lambda: any(one.exists() for one in markers.values()), "one of them to prune", 60)
        [first] = (worker for worker in workers if markers[worker.pid].exists())
        [second] = (worker for worker in workers if worker is not first)
        pipeline.wait_stopped_at(first, "pruned")
        first.kill()
        assert left(pipeline, "old") == OLD - BATCH
        let_it_run_out(pipeline, LEASE_SECONDS)
        pipeline.wait_stopped_at(second, "pruned")
        assert left(pipeline, "old") == OLD - 2 * BATCH
        second.resume()
        wait_until(lambda: lease(pipeline).startswith(b"done by"), "the rest to be pruned", 60)
    pipeline.drain()
    assert (left(pipeline, "old"), left(pipeline, "young"), left(pipeline, "view")) == (0, 3, 300)

    ended(pipeline, "next", 7, 0)
    third = pipeline.worker(retention_days=1, retention_keep_keys="false")
    let_it_run_out(pipeline, DAY_SECONDS)
    wait_until(lambda: left(pipeline, "next") == 0, "the next day's to be pruned", 60)
    wait_until(lambda: lease(pipeline).startswith(b"done by"), "the next day's to be done", 60)
    assert (left(pipeline, "young"), left(pipeline, "view")) == (3, 300)
    wait_until(lambda: pruned_logs(first, second, third) >= 2, "both runs to be told", 60)
    assert pruned_logs(first, second, third) == 2
    entries = pipeline.ledger.list_actions(limit=20, action=AuditAction.PRUNE).entries
    assert {entry.by for entry in entries} == {"retention"}
    # Two rows of each event: itself and its attempt. Of the one that was killed the audit has that it began.
    assert [entry.count for entry in reversed(entries)] == [0, 0, 2 * (OLD - BATCH), 0, 2 * 7]

    assert pipeline.accepted() == {f"view-{number}" for number in range(300) if number != 1}
    assert "action=delivery_failed" not in "".join(worker.log for worker in pipeline.workers)
    told = run("reconcile", "--deep")
    assert told["drift"] == [] and told["counters"]["miscounts"] == []


@on_sqlite
def test_a_day_that_failed_is_gone_on_with_at_once(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose ledger was away keeps its lease, and prunes as soon as it is back: the audit has that run."""
    ended(pipeline, "old", 1, 0)
    worker = Retention(pipeline.services, days=1, keep_keys=False, stop=threading.Event())

    def away(*_: object, **__: object) -> None:
        raise LedgerUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "prune_events", away)
        for _ in range(3):
            with pytest.raises(LedgerUnavailable):
                worker.run()
    worker.run()
    assert left(pipeline, "old") == 0
    entries = pipeline.ledger.list_actions(limit=20, action=AuditAction.PRUNE).entries
    assert [entry.count for entry in reversed(entries)] == [0, 2]
