"""A worker that goes takes neither the others' calls nor its slots with it."""

import signal
import time
from itertools import pairwise

from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until

RATE = 3
THREADS = 64


def test_the_next_call_comes_within_two_seconds(pipeline: Pipeline) -> None:
    """Workers with 64 threads, each with an event in hand, are stopped and killed: another's calls go on at once."""
    pipeline.gong.settings(per_second=RATE)
    pipeline.enqueue(range(250))
    workers = [
        pipeline.worker(ready=False, concurrency=many, calls_per_second=RATE)
        for many in (THREADS, THREADS, 4)
    ]
    pipeline.wait_ready(*workers)
    in_hand = 2 * THREADS + 4
    wait_until(
        lambda: pipeline.redis.hlen("gong-views.unacked") >= in_hand - 2, "every thread to have an event", 60
    )
    for worker, number in zip(workers, (signal.SIGTERM, signal.SIGKILL), strict=False):
        calls = len(pipeline.gong.log())
        worker.popen.send_signal(number)
        ended = time.monotonic()
        wait_until(lambda calls=calls: len(pipeline.gong.log()) >= calls + 6, "calls to go on", 30)
        times = [call["arrived_monotonic"] for call in pipeline.gong.log()]
        assert max(after - before for before, after in pairwise(times) if after > ended) <= 2.0
    assert pipeline.gong.stats()["outcomes"].get("throttled", 0) == 0
