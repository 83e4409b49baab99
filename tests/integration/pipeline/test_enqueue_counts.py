"""What went in is counted in Redis and mirrored to the ledger; a Redis that fell behind hides nothing."""

import logging
from datetime import date

import pytest

from gong_views.names import ENQUEUE_COUNTS_KEY, Lane
from gong_worker.ledger.values import LaneDay
from gong_worker.operations.enqueue_counts import mirror_enqueue_counts
from gong_worker.operations.reconcile import LaneDrift, reconcile
from tests.support.pipeline import Pipeline


def enqueued(pipeline: Pipeline) -> int:
    return sum(pipeline.ledger.reconciliation_snapshot().enqueue_counts.values())


def test_a_stale_replica_begins_a_new_generation(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    """What a promoted replica never had stays missing, by lane and day, however many messages come afterwards."""
    pipeline.enqueue(range(10))
    pipeline.enqueue(range(10, 14), lane="bulk")
    stale = pipeline.redis.dump(Lane.LIVE.queue), pipeline.redis.hgetall(ENQUEUE_COUNTS_KEY)
    pipeline.enqueue(range(20, 60))
    mirror_enqueue_counts(pipeline.redis, pipeline.ledger)
    assert reconcile(pipeline.services).drift == []

    # The replica that is promoted had seen the first ten only; its bulk lane was up to date.
    pipeline.redis.restore(Lane.LIVE.queue, 0, stale[0], replace=True)
    [day] = {field.split(b"|")[1].decode() for field in stale[1] if b"|" in field}
    pipeline.redis.hset(ENQUEUE_COUNTS_KEY, f"live|{day}", stale[1][f"live|{day}".encode()])
    pipeline.enqueue(range(70, 72), lane="bulk")
    lost = [LaneDrift(Lane.LIVE, date.fromisoformat(day), 40)]
    for more in range(3):
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            found = reconcile(pipeline.services)
        assert found.drift == lost
        assert [record.messages for record in caplog.records] == ([40] if more == 0 else [])
        assert enqueued(pipeline) == 56 + 60 * more
        pipeline.enqueue(range(100 * more + 100, 100 * more + 160))


def test_a_look_that_was_overtaken_is_no_loss(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is read, more is enqueued and mirrored by another worker, the mirror is read: nothing was lost."""
    pipeline.enqueue(range(5))
    mirror_enqueue_counts(pipeline.redis, pipeline.ledger)
    read = pipeline.ledger.mirrored_enqueue_counts

    def overtaken(generation: str) -> dict[LaneDay, int]:
        monkeypatch.undo()
        pipeline.enqueue(range(5, 9))
        mirror_enqueue_counts(pipeline.redis, pipeline.ledger)
        return read(generation)

    monkeypatch.setattr(pipeline.ledger, "mirrored_enqueue_counts", overtaken)
    with caplog.at_level(logging.ERROR):
        mirror_enqueue_counts(pipeline.redis, pipeline.ledger)
    assert caplog.records == []
    assert reconcile(pipeline.services).drift == []
    assert enqueued(pipeline) == 9


def test_only_what_changed_is_written(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet queue costs the ledger no write every two seconds."""
    pipeline.enqueue(range(3))
    mirror_enqueue_counts(pipeline.redis, pipeline.ledger)
    monkeypatch.setattr(pipeline.ledger, "mirror_enqueue_counts", lambda *_: pytest.fail("a write"))
    mirror_enqueue_counts(pipeline.redis, pipeline.ledger)
    assert enqueued(pipeline) == 3


def test_what_is_no_count_hides_no_count(pipeline: Pipeline) -> None:
    """A producer's user may write any field among the counts: reconciling passes over what it cannot read."""
    pipeline.enqueue(range(3))
    for field in ("junk", "noon|2026-03-01", "live|yesterday", b"\xff|2026-03-01"):
        pipeline.redis.hset(ENQUEUE_COUNTS_KEY, field, "1")
    assert reconcile(pipeline.services).drift == []
    assert enqueued(pipeline) == 3
