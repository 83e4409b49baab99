"""Workers' heartbeats: who is at work, who is paused and why, who is frozen or gone."""

import json
import os

from gong_views.names import WORKERS_KEY
from gong_worker.cli.status_text import status_lines
from gong_worker.ledger import place_of
from gong_worker.operations.preflight import Verdict, check_queue
from gong_worker.operations.services import redis_client
from gong_worker.operations.status import status as read_status
from gong_worker.queue.workers import ALIVE_SECONDS, Worker, read_workers, redis_now
from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until


def one(pipeline: Pipeline) -> Worker:
    [worker] = read_workers(pipeline.redis)
    return worker


def test_a_worker_is_seen_while_it_lives(pipeline: Pipeline) -> None:
    """A heartbeat tells host, pid, hands and why it is paused; one that was stopped in order leaves none."""
    process = pipeline.worker()
    wait_until(lambda: len(read_workers(pipeline.redis)) == 1, "the first heartbeat")
    seen = one(pipeline)
    assert (seen.pid, seen.concurrency, seen.in_hand, seen.paused) == (process.pid, 4, 0, None)
    assert seen.id.startswith(f"{seen.host}-{process.pid}-")
    assert seen.alive
    assert seen.started_at <= seen.heartbeat_at
    pipeline.services.gate.hold("for a test", "a test")
    pipeline.enqueue([1])
    wait_until(lambda: one(pipeline).paused == "operator", "the pause to be told")
    assert one(pipeline).since > seen.started_at
    pipeline.services.gate.release("a test")
    wait_until(lambda: one(pipeline).paused is None, "the end of the pause to be told")
    pipeline.drain()
    assert process.terminate() == 0
    assert read_workers(pipeline.redis) == []


def test_a_frozen_worker_is_seen_to_be(pipeline: Pipeline) -> None:
    """A worker that does not beat for 15 s of Redis's clock is not alive, and is again when it goes on."""
    process = pipeline.worker()
    wait_until(lambda: len(read_workers(pipeline.redis)) == 1, "the first heartbeat")
    process.freeze()
    wait_until(process.stopped, "the worker to be frozen")
    wait_until(lambda: not one(pipeline).alive, "the worker to count as frozen", ALIVE_SECONDS + 10)
    process.resume()
    wait_until(lambda: one(pipeline).alive, "the worker to be back")


def test_a_newer_release_beside_ours(pipeline: Pipeline) -> None:
    """A heartbeat with more in it than we know is read, one that is none of ours is passed over."""
    at = redis_now(pipeline.redis).isoformat()
    newer = {
        "id": "newer-1-abcd", "host": "newer", "pid": 1, "version": "9", "concurrency": 8, "in_hand": 3,
        "paused": None, "since": at, "started_at": at, "heartbeat_at": at, "region": "eu",
    }  # fmt: skip
    pipeline.redis.hset(WORKERS_KEY, "newer-1-abcd", json.dumps(newer))
    for number, strange in enumerate(('{"id": "old"}', "no JSON", '["id"]')):
        pipeline.redis.hset(WORKERS_KEY, str(number), strange)
    assert (one(pipeline).id, one(pipeline).alive) == ("newer-1-abcd", True)


def test_workers_with_two_ledgers_are_told_of(pipeline: Pipeline) -> None:
    """A worker that names another ledger, as one without DATABASE_URL does, is told of by `check` and `status`."""
    at = redis_now(pipeline.redis).isoformat()
    facts = {"host": "h", "pid": 1, "version": "1", "concurrency": 8, "in_hand": 0, "paused": None}
    times = {"since": at, "started_at": at, "heartbeat_at": at}
    for name in ("right", "wrong"):
        ledger = place_of(pipeline.ledger.engine) if name == "right" else "elsewhere:/var/ledger.db"
        entry = json.dumps({"id": name, **facts, **times, "ledger": ledger})
        pipeline.redis.hset(WORKERS_KEY, name, entry)
        [finding] = [
            one for one in check_queue(pipeline.services.settings, redis_client) if one.name == "workers"
        ]
        told = status_lines(read_status(pipeline.services), utc=True)["workers"]
        if name == "right":
            assert (finding.verdict, len(told)) == (Verdict.OK, 2)  # type: ignore[arg-type]
    assert finding.verdict is Verdict.WARNING and "elsewhere:/var/ledger.db" in finding.text
    assert "they name 2 ledgers" in told[-1]  # type: ignore[index]


def test_the_dead_are_forgotten_after_a_day(pipeline: Pipeline) -> None:
    """What a killed worker left is shown as not alive for a day, and then removed by another one."""
    stale = {
        "id": "gone-1-abcd", "host": "gone", "pid": 1, "version": "0", "concurrency": 8, "in_hand": 3,
        "paused": None, "since": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:00:00Z",
        "heartbeat_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    pipeline.redis.hset(WORKERS_KEY, "gone-1-abcd", json.dumps(stale))
    assert not one(pipeline).alive
    ahead = {
        **stale,
        "heartbeat_at": "2199-01-01T00:00:00Z",
    }  # Redis's clock was wrong, and has been set right
    pipeline.redis.hset(WORKERS_KEY, "gone-1-abcd", json.dumps(ahead))
    assert not one(pipeline).alive
    pipeline.worker()
    wait_until(lambda: {w.pid for w in read_workers(pipeline.redis)} == {pipeline.workers[0].pid}, "it to go")
    assert pipeline.workers[0].pid != os.getpid()
