"""A stock Celery application, as a worker and a producer of its own: nothing of ours but the task's name.

`REDIS_URL` is its broker; the task appends what it gets to the file `GOT`, one JSON line each.
"""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from celery import Celery

app = Celery("host", broker=os.environ.get("REDIS_URL", "redis://127.0.0.1:1/0"), set_as_current=False)
app.conf.task_ignore_result = True


@app.task(name="gong_views.deliver")
def deliver(*args: Any, **kwargs: Any) -> None:
    """Note what arrived."""
    with Path(os.environ["GOT"]).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps({"args": args, "kwargs": kwargs}) + "\n")
