"""Redis's clock set back: what waits in the queue waits as long as it had left, not longer by the step."""

import pytest
import redis

from gong_views.names import CLOCK_KEY, DELAYED_KEY, UNACKED_INDEX_KEY, UNACKED_KEY, Lane
from gong_worker.queue.messages import Messages

HOUR = 3600.0


def test_what_waits_moves_along(redis_url: str) -> None:
    """A retry due in 20 s is due in 20 s after a step of an hour, and a killed worker's message is not parked."""
    client = redis.Redis.from_url(redis_url)
    messages = Messages(client, concurrency=1)
    messages.restore(60)
    seconds, micros = client.time()
    before = seconds + micros / 1e6 + HOUR
    client.set(CLOCK_KEY, before)
    client.zadd(DELAYED_KEY, {"retry": before + 20})
    client.hset(UNACKED_KEY, "killed", f"{Lane.LIVE.queue}\nraw")
    client.zadd(UNACKED_INDEX_KEY, {"killed": before - 50})
    assert messages.restore(60) == 0
    now = client.time()[0]
    assert client.zscore(DELAYED_KEY, "retry") == pytest.approx(now + 20, abs=5)
    assert client.zscore(UNACKED_INDEX_KEY, "killed") == pytest.approx(now - 50, abs=5)
    assert messages.restore(40) == 1
    assert client.lrange(Lane.LIVE.queue, 0, -1) == [b"raw"]


def test_a_step_forward_moves_nothing(redis_url: str) -> None:
    """Set ahead, Redis's clock is believed: a retry comes early by as much."""
    client = redis.Redis.from_url(redis_url)
    messages = Messages(client, concurrency=1)
    client.set(CLOCK_KEY, client.time()[0] - HOUR)
    client.zadd(DELAYED_KEY, {"retry": client.time()[0] + 20})
    due = client.zscore(DELAYED_KEY, "retry")
    messages.restore(60)
    assert client.zscore(DELAYED_KEY, "retry") == due
