"""A delivery ends in one round trip: report, acknowledgement, next message; each is done once, whatever fails."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from gong_views import EventKey
from gong_views.names import UNACKED_KEY, UNREADABLE_KEY, Lane
from gong_worker.domain.outcomes import AlreadyReported, Delivered, Outcome
from gong_worker.gate import Go, Slot
from gong_worker.gong import CallResult
from gong_worker.ledger import Claim, EventFacts, LedgerUnavailable, MessageRef
from gong_worker.operations.reconcile import reconcile
from gong_worker.packed_scripts import run
from gong_worker.queue.in_hand import ReceivedMessage
from gong_worker.runtime import Runtime
from tests.integration.pipeline.support import receive
from tests.support.pipeline import Pipeline

WORKED = "{gong-views.gate}:worked"


def deliver(runtime: Runtime, received: ReceivedMessage) -> ReceivedMessage | None:
    """Its end, and what was taken with it."""
    return runtime.deliverer.deliver(received, next_until=math.inf)


def number(received: ReceivedMessage | None) -> str | None:
    return received and str(received.envelope.event["eventId"])


def finish(pipeline: Pipeline, runtime: Runtime) -> None:
    """Deliver what is left; every event was called for once, and the accounts agree."""
    while pipeline.left():
        runtime.deliverer.deliver(receive(pipeline, runtime))
    assert set(pipeline.gong.stats()["outcomes"]) == {"accepted"}
    assert pipeline.ledger.counts()["delivered"] == len(pipeline.enqueued) == pipeline.gong.stats()["calls"]
    assert len(runtime.messages.in_hand.all()) == 0
    assert reconcile(pipeline.services).drift == []


def test_the_next_message_comes_with_the_end_of_one(pipeline: Pipeline, runtime: Runtime) -> None:
    """One trip tells the gate, acknowledges and takes the next, in hand and recorded; an empty queue ends the chain."""
    pipeline.enqueue(range(3))
    taken = deliver(runtime, receive(pipeline, runtime))
    assert taken is not None and runtime.messages.in_hand.all() == [taken]
    assert pipeline.redis.hkeys(UNACKED_KEY) == [taken.tag.encode()]
    assert pipeline.redis.hlen(WORKED) == 1
    following = deliver(runtime, taken)
    assert following is not None and number(following) == "view-2"
    assert deliver(runtime, following) is None
    pipeline.enqueue([3, 4])
    assert (
        runtime.deliverer.deliver(receive(pipeline, runtime)) is None
    )  # past the time that a chain may take
    finish(pipeline, runtime)


@pytest.mark.parametrize("sent", [True, False])
def test_a_lost_reply(
    sent: bool, pipeline: Pipeline, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not the trip arrived: done again when Redis is back, in hand until then, the next one given back."""
    pipeline.enqueue(range(3))
    received = receive(pipeline, runtime)

    def lost(client: redis.Redis, *commands: bytes) -> list[Any]:
        if sent:
            run(client, *commands)
        raise redis.ConnectionError("a test")

    monkeypatch.setattr("gong_worker.deliver.end_trip.run", lost)
    assert deliver(runtime, received) is None
    monkeypatch.undo()
    assert runtime.messages.in_hand.all() == [received]
    assert pipeline.redis.hlen(UNACKED_KEY) == 1
    runtime.run_deferred()
    assert runtime.messages.in_hand.all() == []
    assert (pipeline.redis.hlen(UNACKED_KEY), pipeline.redis.llen(Lane.LIVE.queue)) == (0, 2)
    assert pipeline.redis.hlen(WORKED) == 1
    assert number(receive(pipeline, runtime)) == "view-1"  # at the head of its lane, as it was
    runtime.messages.requeue_all()
    finish(pipeline, runtime)


def test_a_redis_without_its_scripts(pipeline: Pipeline, runtime: Runtime) -> None:
    """A restarted Redis knows no script: report and acknowledgement are done all the same, and the next trips work."""
    pipeline.enqueue(range(4))
    received = receive(pipeline, runtime)
    pipeline.redis.script_flush()
    runtime.gong.send = flushed_after(runtime, pipeline)  # type: ignore[method-assign]
    assert deliver(runtime, received) is None
    assert pipeline.redis.hlen(UNACKED_KEY) == len(runtime.messages.in_hand.all()) == 0
    assert pipeline.redis.hlen(WORKED) == 1
    del runtime.gong.send
    assert number(deliver(runtime, receive(pipeline, runtime))) == "view-2"
    runtime.messages.requeue_all()
    finish(pipeline, runtime)


def flushed_after(runtime: Runtime, pipeline: Pipeline) -> Any:
    send = runtime.gong.send

    def flushing(event: dict[str, Any]) -> CallResult:
        result = send(event)
        pipeline.redis.script_flush()
        return result

    return flushing


def test_an_unreadable_message_is_put_aside(pipeline: Pipeline, runtime: Runtime) -> None:
    """What the trip took and nobody can read is quarantined as from any pop, and does not stop the others."""
    pipeline.enqueue([0])
    pipeline.redis.lpush(Lane.LIVE.queue, "garbage")
    pipeline.enqueue([1])
    assert deliver(runtime, receive(pipeline, runtime)) is None
    assert pipeline.redis.llen(UNREADABLE_KEY) == 1
    assert pipeline.redis.hlen(UNACKED_KEY) == 0
    assert deliver(runtime, receive(pipeline, runtime)) is None
    assert pipeline.ledger.counts()["delivered"] == 2


def test_when_no_next_message_is_taken(pipeline: Pipeline, runtime: Runtime) -> None:
    """Not by a paused worker, nor by a stopping one, nor while one in hand waits for a thread."""
    pipeline.enqueue(range(6))
    waiting = receive(pipeline, runtime)
    assert deliver(runtime, receive(pipeline, runtime)) is None
    assert number(deliver(runtime, waiting)) == "view-2"
    [received] = runtime.messages.in_hand.all()
    runtime.consumer_pause.pause("a test", lambda: True)
    assert deliver(runtime, received) is None
    runtime.consumer_pause.poll()
    received = receive(pipeline, runtime)
    send = runtime.gong.send

    def stopping(event: dict[str, Any]) -> CallResult:
        runtime.stop.set()
        return send(event)

    runtime.gong.send = stopping  # type: ignore[method-assign]
    assert deliver(runtime, received) is None
    assert deliver(runtime, receive(pipeline, runtime)) is None  # and what was popped is given back
    assert (pipeline.redis.llen(Lane.LIVE.queue), pipeline.redis.hlen(UNACKED_KEY)) == (2, 0)
    del runtime.gong.send
    runtime.stop.clear()
    finish(pipeline, runtime)


def test_live_goes_first_at_each_take(pipeline: Pipeline, runtime: Runtime) -> None:
    """A live event that comes while bulk is delivered is the next one taken."""
    pipeline.enqueue(range(2), lane="bulk")
    messages = runtime.messages
    messages.load_pop()
    tag = messages.new_tag()
    reply: Any = pipeline.redis.evalsha(*messages.pop_arguments(tag, [lane.queue for lane in Lane]))
    received = messages.receive(tag, reply)
    pipeline.enqueue([2])
    lanes = []
    while received is not None:
        lanes.append(received.lane)
        received = deliver(runtime, received)
    assert lanes == [Lane.BULK, Lane.LIVE, Lane.BULK]
    finish(pipeline, runtime)


def test_the_report_goes_first_when_the_ledger_is_away(
    pipeline: Pipeline, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delayed report is told before the second try to record, and by a worker that stops before it has recorded."""
    complete, told = pipeline.ledger.complete, []

    def away(*args: Any, **options: Any) -> bool:
        told.append(pipeline.redis.hlen(WORKED))
        if len(told) == 1:
            raise LedgerUnavailable("a test")
        return complete(*args, **options)

    pipeline.enqueue([0])
    monkeypatch.setattr("gong_worker.deliver.reports.ON_TIME_SECONDS", math.inf)
    monkeypatch.setattr(pipeline.ledger, "complete", away)
    deliver(runtime, receive(pipeline, runtime))
    assert told == [0, 1]
    runtime.consumer_pause.poll()
    finish(pipeline, runtime)


def test_what_others_wait_for_is_reported_at_once(pipeline: Pipeline, runtime: Runtime) -> None:
    """Only the report of a call that was on time and accepted may wait: not a probe's, a late one's, nor a 409's."""
    reports, gate, now = runtime.deliverer.reports, runtime.deliverer.gate, datetime.now(UTC)
    claim = Claim(
        EventKey("content-hub", "view-0"), "token", MessageRef("m", Lane.LIVE, now), EventFacts("c", now, ""), 0, now
    )  # fmt: skip

    def waits(outcome: Outcome, *, late: float = 0.001, probe: bool = False) -> bool:
        pipeline.redis.delete(WORKED)
        slot = gate.acquire(Lane.LIVE, "one")
        assert isinstance(slot, Slot) and isinstance(gate.confirm(slot), Go)
        slot.probe = probe
        reports.report(slot, claim, CallResult(outcome, 5, slot.at + late, 0.001), tag="tag")
        told = pipeline.redis.hlen(WORKED) == 1
        delayed = reports.delayed("tag") is not None
        assert told is not delayed
        return delayed

    accepted = Delivered(200, "r-1", None)
    assert waits(accepted)
    assert not waits(accepted, probe=True)
    assert not waits(accepted, late=0.05)
    assert not waits(AlreadyReported(409, "r-1"))
