"""`enqueue_many`: one round trip a batch, invalid events by index, memory bounded, honest when Redis dies."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from gong_views.errors import QueueUnavailable
from gong_views.message import parse
from gong_views.names import ENQUEUE_COUNTS_KEY
from gong_views.queue import ViewQueue
from tests.support.servers import valkey
from tests.support.views import view


def messages(client: redis.Redis, queue: str) -> list[str]:
    """The event ids in the order in which a worker takes them."""
    return [parse(raw).event["eventId"] for raw in reversed(client.lrange(queue, 0, -1))]  # type: ignore[arg-type]


def test_the_valid_ones_go_in_and_the_others_are_told_by_index(redis_url: str) -> None:
    """Every index is in exactly one of the lists, and the queue keeps the order."""
    events: list[Any] = [
        view(0),
        {},
        view(2),
        "not JSON",
        view(4),
        {**view(5), "nonsense": 1},
        b"[]",
        view(7),
    ]
    with ViewQueue(redis_url) as queue, redis.Redis.from_url(redis_url) as client:
        result = queue.enqueue_many(events, "bulk", batch_size=3)
        assert [index for index, _ in result.accepted] == [0, 2, 4, 7]
        assert [index for index, _ in result.rejected] == [1, 3, 5, 6]
        assert all(errors and {"field", "message"} <= errors[0].keys() for _, errors in result.rejected)
        assert [receipt.event_id for _, receipt in result.accepted] == messages(client, "gong-views.bulk")
        assert list(client.hgetall(ENQUEUE_COUNTS_KEY).values()) == [b"4"]  # type: ignore[union-attr]


def test_a_batch_is_one_transaction_with_one_push(redis_url: str) -> None:
    """Ten events in batches of four are three transactions of four commands."""
    with ViewQueue(redis_url) as queue, redis.Redis.from_url(redis_url) as client:
        queue.ping()
        with client.monitor() as monitor:
            queue.enqueue_many((view(number) for number in range(10)), batch_size=4)
            commands = [monitor.next_command()["command"].split(" ") for _ in range(12)]
    assert [command[0] for command in commands] == ["MULTI", "LPUSH", "HINCRBY", "EXEC"] * 3
    assert [command[3] for command in commands if command[0] == "HINCRBY"] == ["4", "4", "2"]


def test_nothing_and_only_invalid_events_touch_nothing(redis_url: str) -> None:
    """An empty batch is no transaction."""
    with ViewQueue(redis_url) as queue, redis.Redis.from_url(redis_url) as client:
        assert queue.enqueue_many([]).accepted == []
        assert len(queue.enqueue_many([{}, {}]).rejected) == 2
        assert client.keys() == []


def test_a_generator_is_taken_as_needed(redis_url: str) -> None:
    """At most one batch is taken ahead of what Redis has, and memory does not grow with the number."""
    with ViewQueue(redis_url) as queue, redis.Redis.from_url(redis_url) as client:

        def events(number: int) -> Iterator[Any]:
            for index in range(number):
                if index % 10 == 0:
                    assert index - client.llen("gong-views.bulk") <= 100  # type: ignore[operator]
                yield view(index, contentTitle="x" * 1000)

        for _ in queue.enqueue_batches(events(500), "bulk", batch_size=100):
            pass
        client.delete("gong-views.bulk")
        tracemalloc.start()
        for _ in queue.enqueue_batches(events(2000), "bulk", batch_size=100):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1_500_000  # the events alone are more than 2 MB


def test_redis_dying_midway_tells_what_surely_went_in() -> None:
    """The error carries the receipts of the batches before; all of them are in Redis, and it says go on."""
    with valkey() as server:
        queue = ViewQueue(server.url)

        def events() -> Iterator[Any]:
            for number in range(100):
                if number == 55:
                    server.kill()
                yield view(number)

        with pytest.raises(QueueUnavailable, match=r"40 events surely went in.*harmless") as caught:
            queue.enqueue_many(events(), batch_size=20)
        result = caught.value.result
        assert result is not None and caught.value.reason == "refused"
        assert [index for index, _ in result.accepted] == list(range(40))
        server.start()
        with server.client() as client:
            assert messages(client, "gong-views.live") == [receipt.event_id for _, receipt in result.accepted]
        again = queue.enqueue_many(view(number) for number in range(100))
        assert len(again.accepted) == 100
        queue.close()
