"""`AsyncViewQueue`: what holds of it beyond the laws it shares with `ViewQueue`."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from gong_views.aio import AsyncViewQueue
from gong_views.connection import MAX_IDLE
from gong_views.errors import InvalidViewEvent, QueueUnavailable
from gong_views.message import parse
from gong_views.names import ENQUEUE_COUNTS_KEY
from tests.support.servers import valkey, wait_until
from tests.support.views import view


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def test_coroutines_share_a_queue(redis_url: str, client: redis.Redis) -> None:
    """A hundred at once get each their own receipt, counted with the messages, on no thread of ours."""

    before = set(threading.enumerate())

    async def main() -> None:
        async with AsyncViewQueue(redis_url, source="shop") as queue:
            receipts = await asyncio.gather(*(queue.enqueue(view(number)) for number in range(100)))
            assert [receipt.event_id for receipt in receipts] == [f"view-{number}" for number in range(100)]
            assert set(threading.enumerate()) <= before

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
    """While 300 enqueues wait for their one timeout, other coroutines run; afterwards the same queue works."""

    async def main() -> None:
        async with AsyncViewQueue(server.url, timeout_seconds=1) as queue:
            await queue.enqueue(view(1))
            server.freeze()
            ticks = 0
            began = time.monotonic()
            tasks = [asyncio.create_task(queue.enqueue(view(number))) for number in range(300)]
            while not all(task.done() for task in tasks):
                await asyncio.sleep(0.01)
                ticks += 1
            took = time.monotonic() - began
            server.resume()
            assert {getattr(task.exception(), "reason", None) for task in tasks} == {"timeout"}
            assert ticks > 10 and took < 1 + 3
            assert len((await queue.enqueue_many(view(number) for number in range(50))).accepted) == 50

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


def test_event_loops_in_several_threads_share_a_queue(redis_url: str, client: redis.Redis) -> None:
    """One queue on three loops at once: a connection stays with its loop, and every event goes in."""
    queue = AsyncViewQueue(redis_url, timeout_seconds=30)
    receipts: list[str] = []

    async def main(place: int) -> None:
        for start in range(0, 100, 10):
            numbers = range(1000 * place + start, 1000 * place + start + 10)
            found = await asyncio.gather(*(queue.enqueue(view(number)) for number in numbers))
            assert [receipt.event_id for receipt in found] == [f"view-{number}" for number in numbers]
            receipts.extend(receipt.event_id for receipt in found)
        await queue.close()

    threads = [threading.Thread(target=lambda place=place: asyncio.run(main(place))) for place in range(3)]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queued = [parse(raw).event["eventId"] for raw in client.lrange("gong-views.live", 0, -1)]  # type: ignore[union-attr]
    assert len(receipts) == 300 and sorted(queued) == sorted(receipts)


def test_any_error_of_the_way_is_spooled(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that is neither Redis's nor the system's counts as an outage, too: the event is on disk."""

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("got Future attached to a different loop")

    async def main() -> None:
        async with AsyncViewQueue(redis_url) as queue:
            with pytest.raises(QueueUnavailable, match="RuntimeError") as caught:
                await queue.enqueue(view(1))
            assert caught.value.reason == "error" and "attached" not in str(caught.value)
        async with AsyncViewQueue(
            redis_url, on_unavailable="spool", spool_path=tmp_path / "spool.db"
        ) as queue:
            assert (await queue.enqueue(view(2))).spooled

    monkeypatch.setattr("redis.asyncio.connection.Connection.send_packed_command", broken)
    asyncio.run(main())


def test_cancelled_enqueues_cost_no_connections(redis_url: str, client: redis.Redis) -> None:
    """However many calls are cancelled at whatever point, the pool stays whole and bounded."""

    async def main() -> None:
        async with AsyncViewQueue(redis_url, timeout_seconds=30) as queue:
            for number in range(300):
                task = asyncio.create_task(queue.enqueue(view(number)))
                for _ in range(number % 25):
                    await asyncio.sleep(0)
                task.cancel()
                if number % 3:
                    task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            receipts = await asyncio.gather(*(queue.enqueue(view(number)) for number in range(200)))
            assert [receipt.event_id for receipt in receipts] == [f"view-{number}" for number in range(200)]
            # The server closes those of cancelled calls a moment later; `before` has what other tests left open.
            wait_until(
                lambda: len(client.client_list()) <= before + MAX_IDLE, "no more connections than allowed"
            )

    before = len(client.client_list())
    asyncio.run(main())
