"""Celery's own tools on our worker: what looks is answered, what could drop or stop work is not there."""

from typing import Any

import pytest
from celery import Celery

from gong_views.names import Lane
from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until

# Each with arguments that would do harm if the command were there.
FORBIDDEN: dict[str, dict[str, Any]] = {
    "revoke": {"task_id": "{message}", "terminate": True, "signal": "SIGKILL"},
    "terminate": {"task_id": "{message}", "signal": "SIGKILL"},
    "revoke_by_stamped_headers": {"headers": {"id": "{message}"}},
    "shutdown": {},
    "pool_shrink": {"n": 4},
    "pool_grow": {"n": 4},
    "pool_restart": {"reload": True},
    "autoscale": {"max": 1, "min": 1},
    "rate_limit": {"task_name": "gong_views.deliver", "rate_limit": "1/h"},
    "time_limit": {"task_name": "gong_views.deliver", "hard": 0.01},
    "cancel_consumer": {"queue": Lane.LIVE.queue},
    "add_consumer": {"queue": "somebody.elses"},
    "enable_events": {},
    "disable_events": {},
    "election": {"id": "1", "topic": "1"},
    "hello": {"from_node": "somebody", "revoked": {"{message}": 1}},
    "memdump": {},
    "memsample": {},
    "objgraph": {},
    "clock": {},
    "query_task": {"ids": ["{message}"]},
    "revoked": {},
    "scheduled": {},
}


@pytest.fixture
def stock(pipeline: Pipeline) -> Celery:
    """A Celery application that knows nothing of ours, as Flower or a shell would have it."""
    return Celery("stock", set_as_current=False, broker=pipeline.valkey.url)


def test_inspect_is_answered(pipeline: Pipeline, stock: Celery) -> None:
    """ping, stats, active, active_queues, registered and conf answer, without a secret or anything of an event."""
    pipeline.gong.fault("hang", seconds=1.5, accept=True)
    pipeline.worker()
    pipeline.enqueue([1])
    wait_until(lambda: pipeline.gong.stats()["in_flight"] == 1, "a call in flight")
    inspect = stock.control.inspect(timeout=10, limit=1)
    [(name, pong)] = inspect.ping().items()
    assert pong == {"ok": "pong"}
    inspect = stock.control.inspect(destination=[name], timeout=10, limit=1)
    [task] = inspect.active()[name]
    assert task["name"] == "gong_views.deliver"
    answers = {
        "stats": inspect.stats(), "active": inspect.active(), "queues": inspect.active_queues(),
        "registered": inspect.registered(), "conf": inspect.conf(), "reserved": inspect.reserved(),
        "report": inspect.report(),
    }  # fmt: skip
    assert all(name in answer for answer in answers.values()), answers
    assert {queue["name"] for queue in answers["queues"][name]} == {lane.queue for lane in Lane}
    for secret in ("sim-secret", "dana", "globex"):
        assert secret not in str(answers)
    pipeline.drain()


def test_what_could_drop_or_stop_work_is_absent(pipeline: Pipeline, stock: Celery) -> None:
    """Every other command is refused, and each event sent before and after it is delivered once."""
    worker = pipeline.worker()
    pipeline.services.gate.hold("for a test", "a test")
    pipeline.enqueue(range(20))
    wait_until(
        lambda: pipeline.redis.llen(Lane.LIVE.queue) == 20 and "intake_paused" in worker.log, "the hold"
    )
    waiting = str(pipeline.redis.lindex(Lane.LIVE.queue, -1))
    message = waiting.partition('"id":"')[2].partition('"')[0]
    assert message

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {filled(key): filled(item) for key, item in value.items()}
        return [message] if value == ["{message}"] else message if value == "{message}" else value

    for command, arguments in FORBIDDEN.items():
        [reply] = stock.control.broadcast(
            command, arguments=filled(arguments), reply=True, limit=1, timeout=10
        )
        assert list(reply.values()) == [{"error": f"KeyError('{command}')"}]
    pipeline.services.gate.release("a test")
    pipeline.enqueue(range(20, 30))
    pipeline.drain()
    assert worker.running()
    books = pipeline.verify()
    assert set(books.calls.values()) == {1}
    assert worker.terminate() == 0
