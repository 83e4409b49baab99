"""A Celery worker that only notes what it gets, on stock kombu or on our transport.

`python -m tests.support.plain_worker stock|durable REDIS_URL FOLDER CONCURRENCY [remote] [calm]`: one line a
message (number, Unix time) in FOLDER/got.<pid>. A message whose event has `hold` waits until FOLDER/go exists
before it is acknowledged.
"""

import os
import sys
import threading
import time
from pathlib import Path

import redis
from celery import Celery, signals
from kombu import Queue

from gong_views.message import parse_body
from gong_views.names import TASK_NAME, Lane
from gong_worker import logs
from gong_worker.maintenance import MaintenanceThread, PeriodicJob
from gong_worker.queue.consumer_pause import ConsumerPause
from gong_worker.queue.messages import Messages
from gong_worker.queue.transport import wire

kind, url, folder, concurrency = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
remote_control = kind == "stock" or "remote" in sys.argv[5:]
app = Celery("plain", set_as_current=False, broker=url)
app.conf.update(
    broker_transport_options={
        "redis_url": url,
        "visibility_timeout": 3,
        "unacked_restore_interval": 5 if "calm" in sys.argv[5:] else 1,
        "unacked_restore_throttle": 1,
        "queue_order_strategy": "priority",
        "socket_timeout": 2.0,
    },
    task_queues=[Queue(lane.queue, routing_key=lane.queue) for lane in Lane],
    task_acks_late=True,
    task_ignore_result=True,
    worker_pool="threads",
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=remote_control,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
)
messages: Messages | None = None
if kind == "durable":
    app.conf.broker_transport = "gong_worker.queue.transport:DurableTransport"
    client = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=1)
    messages = Messages(client, concurrency=concurrency)
    consumer_pause = ConsumerPause(messages.wake.up)
    wire(messages, consumer_pause, visibility_timeout_seconds=3)
    MaintenanceThread(
        "test", [PeriodicJob("renew", 1, messages.renew), PeriodicJob("deferred", 0.2, messages.run_deferred)]
    ).start()


@signals.setup_logging.connect(weak=False)
def _logging(**_: object) -> None:
    logs.configure()


@signals.worker_ready.connect(weak=False)
def _ready(**_: object) -> None:
    (folder / f"ready.{os.getpid()}").touch()


def note(event: dict[str, object]) -> None:
    began = time.time()
    if event.get("hold"):
        (folder / f"held.{event['n']}").touch()
        waiter = threading.Event()
        while not (folder / "go").exists():
            waiter.wait(0.02)
    with (folder / f"got.{os.getpid()}").open("a") as out:
        out.write(f"{event['n']} {began}\n")


@app.task(name=TASK_NAME, acks_late=True, ignore_result=True, bind=True)
def deliver(self: object, *args: object, **kwargs: object) -> None:
    if messages is None:
        note(parse_body({"id": "x", "task": TASK_NAME}, list(args), kwargs).event)
        return
    delivery = messages.get(str(args[0]))
    assert delivery is not None
    note(delivery.envelope.event)
    messages.acknowledge(delivery)


if __name__ == "__main__":
    app.worker_main(
        ["--quiet", "worker", f"--concurrency={concurrency}", "--loglevel=INFO", "--without-gossip",
         "--without-mingle", "--without-heartbeat"]
    )  # fmt: skip
