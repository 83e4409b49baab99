"""What a worker's log tells of the gate: each change once when it begins and once when it ends."""

from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until


def test_every_hold_is_told_when_it_begins_and_when_it_ends(pipeline: Pipeline) -> None:
    """An operator's hold, a Retry-After and the spent day: one line when each begins, one when it ends."""
    worker = pipeline.worker(calls_per_day=3, day_reserve=0)
    gate = pipeline.services.gate
    gate.hold("a look", "ann")
    wait_until(lambda: "reason=operator" in worker.log, "the hold to be told")
    gate.release("ann")
    wait_until(lambda: "action=gate_hold_ended" in worker.log, "its end to be told")
    pipeline.gong.fault("status", status=429, headers={"Retry-After": "3"})
    pipeline.enqueue(range(5))
    wait_until(lambda: "reason=daily_quota" in worker.log, "the spent day to be told", 30)
    wait_until(
        lambda: worker.log.count("action=gate_hold_ended") == 2, "the end of the Retry-After to be told"
    )
    gate.set_limits(calls_per_day=100)
    pipeline.drain()
    wait_until(lambda: worker.log.count("action=gate_hold_ended") == 3, "the last end to be told")
    held = [line for line in worker.log.splitlines() if "action=gate_held" in line]
    assert [reason in line for reason, line in zip(("operator", "retry_after", "daily_quota"), held, strict=True)] == [
        True, True, True
    ]  # fmt: skip
    assert "by=ann" in held[0]


def test_a_redis_that_does_not_decide_is_told_once(pipeline: Pipeline) -> None:
    """Redis refuses writes while eight threads wait for their slots: one line with the reason, then one at the end."""
    worker = pipeline.worker(concurrency=8, calls_per_second=2)
    pipeline.enqueue(range(12))
    wait_until(lambda: pipeline.gong.stats()["calls"] >= 1, "the first call")
    pipeline.redis.config_set("min-replicas-to-write", 1)
    try:
        wait_until(lambda: "action=gate_unavailable" in worker.log, "the begin to be told")
    finally:
        pipeline.redis.config_set("min-replicas-to-write", 0)
    pipeline.drain()
    pipeline.verify()
    [begins] = [line for line in worker.log.splitlines() if "action=gate_unavailable" in line]
    assert "reason=no_replicas" in begins
    assert worker.log.count("action=gate_available") == 1
