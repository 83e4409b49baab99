"""How long the oldest message has waited, told from Redis at a cost that does not grow with the backlog."""

from datetime import UTC, datetime, timedelta

import pytest
import redis

from gong_views.message import build
from gong_views.names import DELAYED_KEY, DELAYED_MESSAGES_KEY, Lane
from gong_worker.queue.inspect import oldest_waiting
from tests.support.views import view


def item(lane: Lane, minutes: float) -> str:
    """A message that was enqueued so many minutes ago."""
    return build(view(), lane, enqueued_at=datetime.now(UTC) - timedelta(minutes=minutes))[1]


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


def test_each_lane_has_its_own_oldest(client: redis.Redis) -> None:
    """Head, tail and the delayed set are looked at; lanes are told apart; an empty lane has none."""
    assert oldest_waiting(client) == {Lane.LIVE: None, Lane.BULK: None}
    client.lpush(Lane.LIVE.queue, item(Lane.LIVE, 3), item(Lane.LIVE, 2), item(Lane.LIVE, 1))
    assert oldest_waiting(client)[Lane.LIVE] == pytest.approx(180, abs=20)
    assert oldest_waiting(client)[Lane.BULK] is None
    # A spool that is drained late pushes an old message to the other end.
    client.lpush(Lane.LIVE.queue, item(Lane.LIVE, 10))
    assert oldest_waiting(client)[Lane.LIVE] == pytest.approx(600, abs=20)
    client.zadd(DELAYED_KEY, {"tag": 0})
    client.hset(DELAYED_MESSAGES_KEY, "tag", f"{Lane.BULK.queue}\n{item(Lane.BULK, 20)}")
    assert oldest_waiting(client)[Lane.BULK] == pytest.approx(1200, abs=20)


def test_what_tells_no_time_is_passed_over(client: redis.Redis) -> None:
    """Garbage and messages without a time hide no other one, and have no age themselves."""
    client.lpush(Lane.LIVE.queue, "garbage")
    assert oldest_waiting(client)[Lane.LIVE] is None
    client.lpush(Lane.LIVE.queue, item(Lane.LIVE, 5))
    assert oldest_waiting(client)[Lane.LIVE] == pytest.approx(300, abs=20)


def test_it_reads_the_ends_only(client: redis.Redis) -> None:
    """With 100,000 messages waiting it asks for a few dozen of them."""
    raw = item(Lane.BULK, 1)
    for _ in range(100):
        client.lpush(Lane.BULK.queue, *[raw] * 1000)
    before = client.info("stats")["total_net_output_bytes"]
    assert oldest_waiting(client)[Lane.BULK] == pytest.approx(60, abs=20)
    assert client.info("stats")["total_net_output_bytes"] - before < 20 * len(raw) + 10_000
