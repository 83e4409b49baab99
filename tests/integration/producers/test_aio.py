"""`AsyncViewQueue`: what holds of it beyond the laws it shares with `ViewQueue`."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis

from gong_views.aio import AsyncViewQueue
from gong_views.errors import InvalidViewEvent, QueueUnavailable
from gong_views.message import parse
from gong_views.names import ENQUEUE_COUNTS_KEY
from tests.support.servers import valkey
from tests.support.views import view


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def test_coroutines_share_a_queue(redis_url: str, client: redis.Redis) -> None:
    """A hundred at once get each their own receipt, counted with the messages, on no thread of ours."""

    async def main() -> None:
        async with AsyncViewQueue(redis_url, source="shop") as queue:
            receipts = await asyncio.gather(*(queue.enqueue(view(number)) for number in range(100)))
            assert [receipt.event_id for receipt in receipts] == [f"view-{number}" for number in range(100)]
            assert threading.active_count() == 1

    asyncio.run(main())
    assert client.llen("gong-views.live") == 100
    assert list(client.hgetall(ENQUEUE_COUNTS_KEY).values()) == [b"100"]  # type: ignore[union-attr]
    assert parse(client.rpop("gong-views.live")).source == "shop"  # type: ignore[arg-type]


def test_batches_from_both_kinds_of_iterable(redis_url: str, client: redis.Redis) -> None:
    """An async generator is taken like a list, in batches, with the invalid ones by index."""

    async def events() -> AsyncIterator[Any]:
        for number in range(25):
            yield view(number) if number % 5 else {}

    async def main() -> None:
        async with AsyncViewQueue(redis_url) as queue:
            one = await queue.enqueue_many(events(), "bulk", batch_size=10)
            two = await queue.enqueue_many([view(100), {}], "bulk")
            sizes = [len(part.accepted) async for part in queue.enqueue_batches(events(), batch_size=10)]
        assert [index for index, _ in one.rejected] == [0, 5, 10, 15, 20] and len(one.accepted) == 20
        assert [index for index, _ in two.accepted] == [0]
        assert sizes == [8, 8, 4]

    asyncio.run(main())
    assert client.llen("gong-views.bulk") == 21


def test_a_cancelled_enqueue_spoils_no_other(redis_url: str, client: redis.Redis) -> None:
    """The connection of a cancelled call is not used again: a later call reads its own reply."""

    async def main() -> None:
        async with AsyncViewQueue(redis_url) as queue:
            for number in range(60):
                task = asyncio.create_task(queue.enqueue(view(number)))
                for _ in range(number % 12):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                result = await queue.enqueue_many([view(1000 + number), view(2000 + number)])
                assert [receipt.event_id for _, receipt in result.accepted] == [
                    f"view-{1000 + number}",
                    f"view-{2000 + number}",
                ]

    asyncio.run(main())
    counted = sum(map(int, client.hgetall(ENQUEUE_COUNTS_KEY).values()))  # type: ignore[union-attr]
    assert counted == client.llen("gong-views.live") >= 120


def test_one_queue_serves_one_loop_after_another(redis_url: str, client: redis.Redis) -> None:
    """A module-level queue works under several `asyncio.run`."""
    queue = AsyncViewQueue(redis_url)
    for number in range(3):
        asyncio.run(queue.enqueue(view(number)))
    asyncio.run(queue.close())
    assert client.llen("gong-views.live") == 3


def test_a_hung_redis_does_not_hold_up_the_loop() -> None:
    """While one enqueue waits for its timeout, other coroutines run."""

    async def main() -> None:
        async with AsyncViewQueue(server.url, timeout_seconds=1) as queue:
            await queue.enqueue(view(1))
            server.freeze()
            ticks = 0
            task = asyncio.create_task(queue.enqueue(view(2)))
            while not task.done():
                await asyncio.sleep(0.01)
                ticks += 1
            server.resume()
            assert isinstance(task.exception(), QueueUnavailable) and ticks > 10

    with valkey(appendfsync="no") as server:
        asyncio.run(main())


def test_redis_dying_midway_tells_what_surely_went_in() -> None:
    """The error carries the receipts of the batches before, as of the sync queue."""

    async def main() -> None:
        async with AsyncViewQueue(server.url) as queue:

            async def events() -> AsyncIterator[Any]:
                for number in range(50):
                    if number == 25:
                        server.kill()
                    yield view(number)

            with pytest.raises(QueueUnavailable, match="20 events surely went in") as caught:
                await queue.enqueue_many(events(), batch_size=10)
            assert caught.value.result is not None and len(caught.value.result.accepted) == 20
            with pytest.raises(InvalidViewEvent):
                await queue.enqueue({})

    with valkey() as server:
        asyncio.run(main())
