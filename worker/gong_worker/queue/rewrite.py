"""Asking Redis to write its append-only file anew, without what has been deleted."""

import time
from enum import StrEnum
from typing import Any

import redis

POLL_SECONDS = 0.1


class Rewrite(StrEnum):
    """What came of it."""

    DONE = "rewritten"
    UNDER_WAY = "under way"  # asked for, and not done within the time
    ANOTHER = (
        "another is under way"  # begun before, and it was at work the whole time: ours could not be asked for
    )
    FAILED = "failed"  # Redis tried and gave up, e.g. on a full disk
    OFF = "no append-only file"
    REFUSED = "refused"  # this user may not, or a managed Redis has no such command


def rewrite_append_only_file(client: redis.Redis, *, seconds: float) -> Rewrite:
    """Ask for it, and look for so long whether it is done. Raises RedisError when Redis is away."""
    if not _persistence(client).get("aof_enabled"):
        return Rewrite.OFF
    end = time.monotonic() + seconds
    asked = False
    while True:
        try:
            if not asked:
                client.bgrewriteaof()
                asked = True
        except redis.ResponseError as error:
            # One that has begun before has read what is deleted since: ask again when it is done.
            if "in progress" not in str(error):
                return Rewrite.REFUSED
        now = _persistence(client)
        if asked and not now.get("aof_rewrite_in_progress") and not now.get("aof_rewrite_scheduled"):
            return Rewrite.DONE if now.get("aof_last_bgrewrite_status") == "ok" else Rewrite.FAILED
        if time.monotonic() > end:
            return Rewrite.UNDER_WAY if asked else Rewrite.ANOTHER
        time.sleep(POLL_SECONDS)


def _persistence(client: redis.Redis) -> dict[str, Any]:
    found: dict[str, Any] = client.info("persistence")
    return found
