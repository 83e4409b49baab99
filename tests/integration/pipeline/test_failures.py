"""Messages that no part foresaw: each ends as a dead letter, none is tried for ever."""

from datetime import UTC, datetime
from typing import Any

from gong_views.message import build
from gong_views.names import FAILURES_KEY, UNREADABLE_KEY, Lane
from gong_worker.gong import CallResult
from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations.dead_letters import Bulk
from gong_worker.operations.reconcile import reconcile
from gong_worker.operations.replays import payloads_of, replay
from gong_worker.operations.unreadable import take_unreadable
from gong_worker.runtime import Runtime
from tests.integration.pipeline.support import receive, stock_item
from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until
from tests.support.views import view


def push(pipeline: Pipeline, event: dict[str, Any], message_id: str = "", **kwargs: Any) -> None:
    item = stock_item(event, message_id or f"m-{event['eventId']}", version=2, **kwargs)
    pipeline.redis.lpush(Lane.LIVE.queue, item)


def test_fields_out_of_bounds_are_dead_letters(pipeline: Pipeline) -> None:
    """No number, time or name of a message breaks the ledger, the log or the reconciliation: each is a dead letter."""
    push(pipeline, view(1, eventId="a"), replay_of=2**63)
    push(pipeline, view(2, eventId="b"), enqueued_at="0001-01-01T00:00:00Z")
    push(pipeline, view(3, eventId="x" * 1_000_000))
    push(pipeline, view(4, eventId="c"), source="s" * 1_000_000)
    push(pipeline, view(6, eventId="long" + "x" * 900_000), "m-6")
    worker = pipeline.worker()
    pipeline.enqueue([5])
    wait_until(lambda: pipeline.ledger.counts()["dead_letters_open"] == 4, "the dead letters")
    pipeline.drain()
    found = reconcile(pipeline.services)
    assert (found.drift, found.dead, found.delivered) == ([], 4, 2)
    assert max(len(line) for line in worker.log.splitlines()) < 2000


def test_an_invalid_event_is_filed_under_its_key(pipeline: Pipeline) -> None:
    """A readable message whose event breaks the contract is a letter `invalid` that an edited payload replays."""
    now = datetime.now(UTC)
    bad = view(1, eventId="bad")
    del bad["contentId"]
    nameless = {"reportingSystem": "content-hub"}
    for event in (bad, nameless):
        pipeline.redis.lpush(Lane.LIVE.queue, build(event, Lane.LIVE, enqueued_at=now)[1])
        pipeline.redis.hincrby("gong-views.intake", f"live|{now:%Y-%m-%d}", 1)
    pipeline.worker()
    wait_until(lambda: pipeline.ledger.counts()["dead_letters_open"] == 2, "the dead letters")
    keyed, other = sorted(pipeline.ledger.list_dead_letters(), key=lambda letter: letter.event_id is None)
    assert {keyed.reason, other.reason} == {"invalid"}
    assert (keyed.event_id, keyed.reporting_system, keyed.payload) == ("bad", bad["reportingSystem"], bad)
    assert "contentId" in keyed.errors[0]
    assert other.event_id is None
    assert pipeline.ledger.event("bad")[0].status == "dead"
    mended = {keyed.id: view(1, eventId="bad"), other.id: view(2, eventId="named")}
    wanted = DeadLetterFilter(ids=tuple(mended))
    done = replay(pipeline.services, wanted, Bulk("a test"), lane=Lane.LIVE, replacement=payloads_of(mended))
    assert [one.result for one in done.results] == ["replayed", "replayed"], done
    wait_until(lambda: pipeline.ledger.counts()["delivered"] == 2, "the replays")
    pipeline.drain()
    assert reconcile(pipeline.services).drift == []
    assert pipeline.ledger.counts()["dead_letters_open"] == 0


def test_an_unexpected_error_counts_as_an_attempt(pipeline: Pipeline, runtime: Runtime) -> None:
    """A call that fails in a way nobody foresaw spends an attempt each time, and ends as `exhausted`."""

    def broken(_event: dict[str, Any]) -> CallResult:
        raise RuntimeError("dana@globex.example")

    runtime.gong.send = broken  # type: ignore[method-assign]
    pipeline.enqueue([1])
    for _ in range(3):
        runtime.deliverer.deliver(receive(pipeline, runtime))
    [event] = pipeline.ledger.event("view-1")
    assert (event.status, event.attempt_count) == ("dead", 3)
    assert [attempt.outcome for attempt in event.attempts] == ["ambiguous"] * 3
    [letter] = pipeline.ledger.list_dead_letters()
    assert letter.reason == "exhausted"
    assert "RuntimeError" in letter.errors[0]
    assert "dana" not in str(letter.errors)
    assert pipeline.left() == 0


def test_an_unexpected_error_before_the_claim_is_counted_in_redis(
    pipeline: Pipeline, runtime: Runtime
) -> None:
    """Without a claim to count on, Redis counts; after max attempts it is a dead letter that can be replayed."""
    pipeline.enqueue([1])
    claim = pipeline.ledger.claim
    pipeline.ledger.claim = None  # type: ignore[assignment]
    for failures in (1, 2, 3):
        assert pipeline.redis.llen(UNREADABLE_KEY) == 0
        received = receive(pipeline, runtime)
        runtime.deliverer.deliver(received)
        assert int(pipeline.redis.hget(FAILURES_KEY, received.envelope.message_id) or 3) == failures
    pipeline.ledger.claim = claim  # type: ignore[method-assign]
    assert take_unreadable(pipeline.redis, pipeline.ledger) == 1
    [letter] = pipeline.ledger.list_dead_letters()
    assert letter.reason == "exhausted"
    assert not pipeline.redis.exists(FAILURES_KEY)
    assert replay(pipeline.services, DeadLetterFilter(), Bulk("a test"), lane=Lane.LIVE).done == 1
    runtime.deliverer.deliver(receive(pipeline, runtime))
    assert pipeline.ledger.event("view-1")[0].status == "delivered"
    assert reconcile(pipeline.services).drift == []
