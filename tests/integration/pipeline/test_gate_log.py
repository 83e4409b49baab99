"""What a worker's log tells of the gate: each change once when it begins and once when it ends."""

from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until


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
