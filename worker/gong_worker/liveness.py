"""A file that a worker touches while it lives, for health checks: they must not depend on Redis.

Were a worker without Redis taken for dead, an outage of Redis would have every worker killed, again and again. What
Redis and the other workers know of a worker is its heartbeat there (gong_worker.queue.workers).
"""

import time
from pathlib import Path
from typing import Final

BEAT_SECONDS: Final = 5.0
# The thread that touches it waits for a frozen Redis up to some 45 s in between, each command of its jobs 5 s.
STALE_SECONDS: Final = 120.0


def _file(data_dir: Path) -> Path:
    return data_dir / "worker.alive"


def beat(data_dir: Path) -> None:
    """Touch the file; nothing where there is no data directory, which a worker on servers does not need."""
    if data_dir.is_dir():
        _file(data_dir).touch(mode=0o600)


def dead(data_dir: Path) -> str | None:
    """Why no worker of this data directory seems to live; None when one does."""
    if not data_dir.is_dir():
        return f"there is no folder {data_dir}: make it, or set GONG_VIEWS_DATA_DIR for the worker and this check"
    try:
        age = time.time() - _file(data_dir).stat().st_mtime
    except FileNotFoundError:
        return f"no worker with the data directory {data_dir} has started yet"
    if age > STALE_SECONDS:
        return f"the last sign of life of a worker with the data directory {data_dir} is {age:.0f} s old"
    return None
