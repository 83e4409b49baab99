"""Messages that nobody counted in: each is counted once, on the day the ledger has it under, across midnight."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gong_views.message import build
from gong_views.names import UNREADABLE_KEY, Lane
from gong_worker.operations.reconcile import reconcile
from gong_worker.operations.unreadable import take_unreadable
from gong_worker.queue.messages import Messages
from gong_worker.runtime import Runtime
from tests.integration.pipeline.support import receive, stock_item
from tests.support.pipeline import Pipeline
from tests.support.views import view

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


def crashed(runtime: Runtime, pipeline: Pipeline) -> None:
    """The process is gone: what it had in hand is restored after the visibility timeout."""
    runtime.messages = runtime.deliverer.messages = Messages(pipeline.redis, concurrency=1)
    assert runtime.messages.restore(0) == 1


@pytest.mark.parametrize("number", [1, 2])
def test_a_stock_message_across_midnight(
    number: int, pipeline: Pipeline, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded on one UTC day, crashed before the acknowledgement, redelivered on the next: no drift."""
    for copy in range(number):
        pipeline.redis.lpush(Lane.LIVE.queue, stock_item(view(1), f"m-{copy}"))
    received = receive(pipeline, runtime)
    monkeypatch.setattr("gong_worker.deliver.deliverer.acknowledge", lambda *_, **__: None)
    runtime.deliverer.deliver(replace(received, received_at=YESTERDAY))
    monkeypatch.undo()
    assert pipeline.ledger.counts()["delivered"] == 1
    crashed(runtime, pipeline)
    for _ in range(number):
        runtime.deliverer.deliver(receive(pipeline, runtime))
    assert pipeline.left() == 0
    assert reconcile(pipeline.services).enqueued == number
    assert reconcile(pipeline.services).drift == []


def test_an_unreadable_item_across_midnight(
    pipeline: Pipeline, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quarantined on one day and taken on the next, twice because of a crash: counted once, no drift."""
    pipeline.redis.lpush(Lane.LIVE.queue, "garbage")
    runtime.messages.load_pop()
    tag = runtime.messages.new_tag()
    assert pipeline.redis.evalsha(*runtime.messages.pop_arguments(tag, [Lane.LIVE.queue]))
    runtime.messages.quarantine(tag)
    [item] = pipeline.redis.lrange(UNREADABLE_KEY, 0, -1)
    assert take_unreadable(pipeline.redis, pipeline.ledger) == 1
    pipeline.redis.lpush(UNREADABLE_KEY, item)  # the removal was lost in a crash, and it is tomorrow

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=1)

    monkeypatch.setattr("gong_worker.operations.unreadable.datetime", Tomorrow)
    pipeline.redis.hdel("gong-views.intake", f"live|{datetime.now(UTC):%Y-%m-%d}")
    assert take_unreadable(pipeline.redis, pipeline.ledger) == 1
    assert pipeline.ledger.counts()["dead_letters_open"] == 1
    assert reconcile(pipeline.services).drift == []


def test_a_newer_version_counts_on_its_own_day(pipeline: Pipeline, runtime: Runtime) -> None:
    """A message of a newer version, counted yesterday and unreadable today, is no drift, queued or dead."""
    known = json.loads(build(view(1), Lane.LIVE, enqueued_at=YESTERDAY)[1])
    known["properties"]["body_encoding"] = None
    known["headers"].pop("compression")
    body = {"version": 3, "event": view(1), "enqueued_at": YESTERDAY.isoformat()}
    known["body"] = json.dumps([[], body, {}])
    pipeline.redis.lpush(Lane.LIVE.queue, json.dumps(known))
    pipeline.redis.hincrby("gong-views.intake", f"live|{YESTERDAY:%Y-%m-%d}", 1)
    assert reconcile(pipeline.services).drift == []
    runtime.messages.load_pop()
    tag = runtime.messages.new_tag()
    assert pipeline.redis.evalsha(*runtime.messages.pop_arguments(tag, [Lane.LIVE.queue]))
    runtime.messages.quarantine(tag)
    assert reconcile(pipeline.services).drift == []
    assert take_unreadable(pipeline.redis, pipeline.ledger) == 1
    assert reconcile(pipeline.services).drift == []
