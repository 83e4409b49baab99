"""A worker's parts in this process, message by message; and what a stock Celery producer writes."""

import json
from typing import Any

from gong_views.message import parse
from gong_views.names import TASK_NAME, Lane
from gong_worker.queue.messages import ReceivedMessage
from gong_worker.runtime import Runtime
from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until


def stock_item(event: dict[str, Any], message_id: str, **kwargs: Any) -> str:
    """A queue item of plain Celery's `send_task`, without compression."""
    return json.dumps(
        {
            "body": json.dumps([[], {"event": event, **kwargs}, {}]),
            "content-type": "application/json",
            "headers": {"task": TASK_NAME, "id": message_id},
            "properties": {},
        }
    )


def receive(pipeline: Pipeline, runtime: Runtime) -> ReceivedMessage:
    """Pop the next message as the transport does, as soon as there is one."""
    runtime.messages.load_pop()
    tag = runtime.messages.new_tag()
    arguments = runtime.messages.pop_arguments(tag, [Lane.LIVE.queue])
    _, raw = wait_until(lambda: pipeline.redis.evalsha(*arguments), "a message to be due")
    return runtime.messages.track(tag, Lane.LIVE, parse(raw))
