"""What a worker's log tells of a call: one line, with everything that was decided about it."""

import json
from datetime import datetime, timedelta
from typing import Any

from gong_worker.queue.workers import read_workers
from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until

NAMES = {"reporting_system", "event_id", "message_id", "lane"}
CALL = {"attempt_number", "outcome", "duration_ms", "wait_ms", "age_ms", "decision", "worker"}
HEAD = {"at", "level", "logger", "message", "action"}


def lines(log: str, action: str = "attempt") -> list[dict[str, Any]]:
    read = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in read if line.get("action") == action]


def test_each_call_is_one_line_with_its_decision(pipeline: Pipeline) -> None:
    """Delivered, retried, held and dead: one line a call, whose keys say what becomes of the event and when."""
    pipeline.gong.fault("status", status=503, match={"eventId": "view-1"})
    pipeline.gong.fault("reject", status=400, errors=["contentId is unknown"], match={"eventId": "view-2"})
    pipeline.gong.fault("status", status=429, headers={"Retry-After": "1"}, match={"eventId": "view-3"})
    worker = pipeline.worker(environment={"GONG_VIEWS_LOG_FORMAT": "json"})
    pipeline.enqueue(range(4))
    pipeline.drain()
    pipeline.verify(dead={"view-2"})
    found = lines(worker.log)
    by_event: dict[str, list[dict[str, Any]]] = {}
    for line in found:
        assert line.keys() >= HEAD | NAMES | CALL, line
        by_event.setdefault(line["event_id"], []).append(line)
    calls = {
        event: [(line["outcome"], line["decision"]) for line in lines] for event, lines in by_event.items()
    }
    delivered = ("delivered", "delivered")
    assert calls == {
        "view-0": [delivered],
        "view-1": [("server_error", "retry"), delivered],
        "view-2": [("rejected", "dead_letter")],
        "view-3": [("throttled", "held"), delivered],
    }
    assert len(found) == pipeline.gong.stats()["calls"]
    retry, dead = by_event["view-1"][0], by_event["view-2"][0]
    due = datetime.fromisoformat(retry["next_attempt_at"]) - datetime.fromisoformat(retry["at"])
    assert timedelta(0) < due <= timedelta(seconds=1.5)
    assert retry["spent"] is True
    assert dead["reason"] == "rejected"
    assert dead["http_status"] == 400
    assert by_event["view-0"][0]["request_id"]
    [alive] = wait_until(lambda: read_workers(pipeline.redis), "the heartbeat")
    assert {line["worker"] for line in found} == {alive.id}
