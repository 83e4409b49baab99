"""Our messages and Celery's: a stock worker takes ours, our reader takes a stock producer's."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from gong_views.message import parse
from gong_views.names import TASK_NAME
from gong_views.queue import ViewQueue
from tests.support.servers import wait_until
from tests.support.views import sized_view, view

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])
def test_a_stock_celery_worker_takes_our_messages(redis_url: str, tmp_path: Path, pool: str) -> None:
    """Single and batch messages of both lanes arrive at a stock task, event and all."""
    events = [sized_view(number) for number in range(6)]
    with ViewQueue(redis_url, source="shop") as queue:
        queue.enqueue(events[0])
        queue.enqueue(events[1], "bulk", replay_of=3)
        queue.enqueue_many(events[2:4])
        queue.enqueue_many(events[4:], "bulk")
    got, log = tmp_path / "got.jsonl", tmp_path / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "tests.integration.producers.celery_app", "worker"),
                *("--pool", pool, "--concurrency", "1", "--queues", "gong-views.live,gong-views.bulk"),
                *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
            ],
            cwd=ROOT,
            env={**os.environ, "REDIS_URL": redis_url, "GOT": str(got)},
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(
            lambda: got.exists() and len(got.read_text().splitlines()) == 6, "six tasks to have run", 60
        )
        with redis.Redis.from_url(redis_url) as client:
            wait_until(lambda: client.hlen("unacked") == 0, "the messages to be acknowledged")
    finally:
        worker.terminate()
        worker.wait(30)
    calls = [json.loads(line) for line in got.read_text().splitlines()]
    assert all(call["args"] == [] and call["kwargs"]["version"] == 2 for call in calls)
    arrived = {call["kwargs"]["event"]["eventId"]: call["kwargs"] for call in calls}
    assert [arrived[event["eventId"]]["event"] for event in events] == events
    assert arrived["view-1"]["replay_of"] == 3 and arrived["view-5"]["source"] == "shop"
    assert "globex" not in log.read_text()  # Celery logs the arguments of what it receives


@pytest.fixture
def stock(redis_url: str) -> Celery:
    return Celery("stock", broker=redis_url, set_as_current=False)


def taken(redis_url: str, queue: str = "gong-views.live") -> bytes:
    with redis.Redis.from_url(redis_url) as client:
        raw = client.rpop(queue)
    assert isinstance(raw, bytes)
    return raw


@pytest.mark.parametrize(
    "task",
    [
        {"kwargs": {"event": view(1)}},
        {"kwargs": {"event": view(1), "version": 1}},
        {"args": [view(1)]},
        {"kwargs": {"event": view(1)}, "compression": "gzip"},
        {"kwargs": {"event": view(1)}, "compression": "bzip2"},
        {"kwargs": {"event": view(1)}, "headers": {"trace": "abc"}, "expires": 60, "priority": 0},
    ],
)
def test_a_stock_producers_message_is_read_as_version_1(
    stock: Celery, redis_url: str, task: dict[str, Any]
) -> None:
    """`send_task` with the event as keyword or as the one argument is understood, and is not counted yet."""
    sent = stock.send_task(TASK_NAME, queue="gong-views.live", **task)
    envelope = parse(taken(redis_url))
    assert (envelope.version, envelope.event, envelope.message_id) == (1, view(1), sent.id)
    assert not envelope.counted and envelope.eta is None


def test_a_stock_producers_options_are_read(stock: Celery, redis_url: str) -> None:
    """Bodies without base64 are read, and a countdown is told as the time it means."""
    stock.conf.broker_transport_options = {"body_encoding": None}
    before = datetime.now(UTC)
    stock.send_task(TASK_NAME, kwargs={"event": view(2)}, queue="gong-views.bulk", countdown=100)
    envelope = parse(taken(redis_url, "gong-views.bulk"))
    assert envelope.event == view(2) and envelope.eta is not None
    assert timedelta(seconds=99) < envelope.eta - before < timedelta(seconds=130)
