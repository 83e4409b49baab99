"""A held pipeline: why, until when, what it costs (nothing), and how it goes on."""

from datetime import timedelta

from gong_views import ViewQueue
from gong_worker.domain.states import Status as EventStatus
from gong_worker.operations.drain import forecast
from gong_worker.operations.events import find_events
from gong_worker.operations.status import Status, status
from gong_worker.queue import inspect
from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until
from tests.support.views import view


def held_for(pipeline: Pipeline, reason: str) -> Status:
    """Wait until the gate is held for this reason and the backlog is back in Redis; the status then."""

    def settled() -> Status | None:
        now = status(pipeline.services)
        quiet = now.queue.unacked == 0 and now.ledger.sending == 0
        return now if now.gate.reason == reason and quiet else None

    return wait_until(settled, f"the gate to be held for {reason} with its backlog in Redis", 60)


def calls(pipeline: Pipeline) -> int:
    return int(pipeline.gong.stats()["calls"])


def waiting(pipeline: Pipeline) -> str:
    """The id of an event that waits for its next try."""

    def found() -> str:
        reports = [pipeline.ledger.event(f"view-{number}") for number in range(60)]
        return next((one[0].event_id for one in reports if one and one[0].status is EventStatus.WAITING), "")

    return wait_until(found, "an event to wait")


def test_retry_after_holds_every_worker_and_spends_nothing(pipeline: Pipeline) -> None:
    """One 429 stops two workers until its Retry-After; no call is made inside it, no attempt is spent.

    An event that waits is told to be due when the hold ends, not before.
    """
    pipeline.gong.fault("status", status=429, skip=5, headers={"Retry-After": "4"})
    workers = [pipeline.worker(ready=False), pipeline.worker(ready=False)]
    pipeline.wait_ready(*workers)
    pipeline.enqueue(range(60))
    until = held_for(pipeline, "retry_after").gate.until
    assert until is not None
    [told] = find_events(pipeline.services, waiting(pipeline))
    assert told.held_by == ["retry_after"]
    assert told.next_attempt_at is not None and told.next_attempt_at >= until - timedelta(milliseconds=1)
    pipeline.drain()
    pipeline.verify()
    assert pipeline.gong.stats()["inside_retry_after"] == 0
    assert {pipeline.ledger.event(f"view-{n}")[0].attempt_count for n in range(60)} == {1}


def test_a_refused_credential_holds_and_a_new_one_resumes_at_once(pipeline: Pipeline) -> None:
    """401: nothing is spent or lost while held; a worker with a good credential is not held by the bad one's hold."""
    pipeline.gong.settings(access_key_secret="renewed")
    bad = pipeline.worker()
    pipeline.enqueue(range(40))
    held_for(pipeline, "unauthorized")
    # Four threads may have had their slots before the first answer was in; then there is a probe now and then.
    assert calls(pipeline) <= 8
    assert inspect.count(pipeline.redis).total == 40
    pipeline.environment["GONG_ACCESS_KEY_SECRET"] = "renewed"
    pipeline.worker()
    pipeline.drain()
    bad.kill()
    pipeline.verify()
    assert max(pipeline.ledger.event(f"view-{n}")[0].attempt_count for n in range(40)) == 1


def test_a_run_of_refusals_stops_before_everything_is_dead(pipeline: Pipeline) -> None:
    """When Gong refuses 50 events in a row, of several systems, everything stops: the rest is not dead-lettered."""
    rule = pipeline.gong.fault("reject", times=None)
    pipeline.worker()
    with ViewQueue(pipeline.valkey.url) as queue:
        for number in range(80):
            queue.enqueue(view(number, reportingSystem=f"system-{number % 4}"))
    held_for(pipeline, "rejections")
    dead = pipeline.ledger.counts()["dead"]
    # What was under way in the worker's four threads when the fiftieth came back may follow it.
    assert 50 <= dead <= 54
    pipeline.gong.clear_faults(rule)
    pipeline.services.gate.release("a test")
    wait_until(lambda: pipeline.ledger.counts()["delivered"] == 80 - dead, "the rest to be delivered")


def test_a_wrong_address_is_not_the_events_fault(pipeline: Pipeline) -> None:
    """404: held as misconfigured, every event still in the queue, none dead; released, they are delivered."""
    rule = pipeline.gong.fault("status", status=404, times=None)
    pipeline.worker()
    pipeline.enqueue(range(5))
    held_for(pipeline, "misconfigured")
    assert pipeline.ledger.counts()["dead"] == 0
    pipeline.gong.clear_faults(rule)
    pipeline.services.gate.release("a test")
    pipeline.drain()
    pipeline.verify()


def test_the_days_budget_is_kept_to_the_call(pipeline: Pipeline) -> None:
    """With 20 calls a day of which 5 are left to others, 15 are made, also after a wiped Redis; then it is held."""
    pipeline.worker(calls_per_day=20, day_reserve=5)
    pipeline.enqueue(range(10))
    pipeline.drain()
    pipeline.redis.flushall()
    pipeline.enqueue(range(10, 30))
    now = held_for(pipeline, "daily_quota")
    assert calls(pipeline) == 15
    assert now.gate.until is not None
    assert now.calls is not None
    assert (now.queue.live or 0) + (now.queue.delayed or 0) == 15
    assert (now.calls.last_24h, now.calls.per_day_cap) == (15, 15)
    drained = forecast(15, 0, pipeline.services.gate.status()).at
    assert drained is not None
    assert drained >= now.gate.until


def test_live_goes_before_a_full_bulk_lane(pipeline: Pipeline) -> None:
    """A live event behind a bulk backlog is called next, or next but one."""
    pipeline.gong.settings(per_second=3)
    pipeline.worker(calls_per_second=3)
    pipeline.enqueue(range(60), lane="bulk", prefix="bulk-")
    wait_until(lambda: calls(pipeline) >= 4, "the backlog to be under way")
    before = calls(pipeline)
    pipeline.enqueue([1], lane="live", prefix="live-")
    wait_until(lambda: ("content-hub", "live-1") in pipeline.gong.accepted(), "the live event")
    order = [call["key"][1] for call in pipeline.gong.log() if call["key"]]
    # One bulk call may have its slot already and one more may have gone out while the event was enqueued.
    assert order.index("live-1") - before <= 3
    assert pipeline.gong.stats()["outcomes"].get("throttled", 0) == 0
