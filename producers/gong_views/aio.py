"""The producer for asyncio: `AsyncViewQueue`, with the guarantees and the errors of `ViewQueue`.

It runs no thread of its own: host names are looked up, and the spool is written, in the event loop's threads. Its
connections belong to the event loop; used from another loop, it opens others there.
"""

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import Any, Self

from gong_views.async_connection import AsyncConnections
from gong_views.commands import (
    Batch,
    Command,
    Event,
    Item,
    probe,
    to_item,
    to_lane,
    transaction,
    undo,
    verify,
)
from gong_views.errors import QueueUnavailable
from gong_views.names import Lane
from gong_views.options import (
    DRAIN_AFTER_ENQUEUE,
    DRAIN_BATCH,
    LaneName,
    OnUnavailable,
    Options,
    logging_failure,
    with_result,
)
from gong_views.receipt import BatchResult, Receipt
from gong_views.redis_errors import Failure, explain
from gong_views.tracing import enqueueing


class AsyncViewQueue:
    """Puts view events on the queue from a coroutine; arguments and errors as for `ViewQueue`.

    Making one does no I/O and needs no running loop. `async with` closes its connections at the end.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        timeout_seconds: float | None = None,
        source: str | None = None,
        on_unavailable: OnUnavailable = "raise",
        spool_path: str | os.PathLike[str] | None = None,
    ) -> None:
        self._options = Options.of(redis_url, timeout_seconds, source, on_unavailable, spool_path)
        self._connections: AsyncConnections | None = None
        if not self._options.embedded:
            self._connections = AsyncConnections(self._options.url(), self._options.seconds)

    async def enqueue(
        self, event: Event, lane: Lane | LaneName = "live", *, replay_of: int | None = None
    ) -> Receipt:
        """Validate the event and put it on the queue; returns when Redis has it. See `ViewQueue.enqueue`."""
        lane = to_lane(lane)
        item = to_item(event, source=self._options.source, replay_of=replay_of)
        try:
            [receipt] = await self._push(lane, [item])
        except QueueUnavailable as error:
            return (await self._spooled(lane, [item], error))[0]
        await self._drain_after_enqueue()
        return receipt

    async def enqueue_many(
        self,
        events: Iterable[Event] | AsyncIterable[Event],
        lane: Lane | LaneName = "live",
        *,
        batch_size: int = 500,
    ) -> BatchResult:
        """Put many events on the queue, a batch in one round trip. See `ViewQueue.enqueue_many`."""
        result = BatchResult()
        try:
            async for part in self.enqueue_batches(events, lane, batch_size=batch_size):
                result.extend(part)
        except QueueUnavailable as error:
            raise with_result(error, result) from error.__cause__
        return result

    def enqueue_batches(
        self,
        events: Iterable[Event] | AsyncIterable[Event],
        lane: Lane | LaneName = "live",
        *,
        batch_size: int = 500,
    ) -> AsyncIterator[BatchResult]:
        """As `enqueue_many`, one result a batch: for progress, or when there are very many."""
        lane = to_lane(lane)
        if batch_size < 1:
            raise ValueError("batch_size is at least 1")
        return self._batches(events, lane, batch_size)

    async def _batches(
        self, events: Iterable[Event] | AsyncIterable[Event], lane: Lane, size: int
    ) -> AsyncIterator[BatchResult]:
        index = 0
        down: QueueUnavailable | None = None
        async for chunk in _chunks(events, size):
            batch = Batch(self._options.source)
            for event in chunk:
                batch.add(index, event)
                index += 1
            if down is None:
                try:
                    yield batch.accept(await self._push(lane, batch.items))
                    continue
                except QueueUnavailable as error:
                    down = error
            yield batch.accept(await self._spooled(lane, batch.items, down))
        if down is None:
            await self._drain_after_enqueue()

    async def drain_spool(self) -> int:
        """Put every spooled event on the queue; returns how many. Raises QueueUnavailable, OSError."""
        total = 0
        while (number := await self._drain(DRAIN_BATCH)) is not None:
            total += number
        return total

    async def ping(self) -> None:
        """Raise QueueUnavailable unless Redis takes writes; changes nothing there."""
        connections = await self._get_connections()
        [reply] = await self._exchange(connections, [probe()])
        if isinstance(reply, Exception):
            raise explain(reply, connections.where, self._options.seconds)

    async def close(self) -> None:
        """Close the connections and the spool. The queue may be used again all the same: it opens new ones."""
        if self._connections is not None:
            await self._connections.close()
        self._options.spool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _push(self, lane: Lane, items: Sequence[Item]) -> list[Receipt]:
        if not items:
            return []
        connections = await self._get_connections()
        with enqueueing(lane, len(items)) as trace:
            push = transaction(lane, items, trace=trace)
            replies = await self._exchange(connections, push.commands)
            try:
                verify(replies)
            except Failure as error:
                if (command := undo(push.commands, replies)) is not None:
                    await self._exchange(connections, [command])
                raise explain(error, connections.where, self._options.seconds) from error
            return push.receipts

    async def _exchange(self, connections: AsyncConnections, commands: Sequence[Command]) -> list[Any]:
        try:
            return await connections.exchange(commands)
        except Exception as error:  # whatever it is, the event is not known to be in
            raise explain(error, connections.where, self._options.seconds) from error

    async def _get_connections(self) -> AsyncConnections:
        if self._connections is None:
            self._connections = AsyncConnections(self._options.url(), self._options.seconds)
        return self._connections

    async def _drain_after_enqueue(self) -> None:
        if self._options.spooling:
            with logging_failure():
                if self._options.spool.has_events():
                    await self._drain(DRAIN_AFTER_ENQUEUE)

    async def _drain(self, limit: int) -> int | None:
        spool = self._options.spool
        # Cancelled while the thread is at it, the lease of what it takes lapses.
        batch = await asyncio.to_thread(spool.take, limit, self._options.lease_seconds)
        if batch is None:
            return None
        try:
            for lane, items in batch.lanes.items():
                await self._push(lane, items)
        except BaseException:
            with suppress(OSError):
                await asyncio.to_thread(spool.give_back, batch)
            raise
        await asyncio.to_thread(spool.delete, batch)
        return batch.size

    async def _spooled(self, lane: Lane, items: Sequence[Item], error: QueueUnavailable) -> Sequence[Receipt]:
        if not self._options.spooling:
            raise error
        return await asyncio.to_thread(self._options.spooled, lane, items, error)


async def _chunks(events: Iterable[Event] | AsyncIterable[Event], size: int) -> AsyncIterator[list[Event]]:
    chunk: list[Event] = []
    if isinstance(events, AsyncIterable):
        async for event in events:
            chunk.append(event)
            if len(chunk) == size:
                yield chunk
                chunk = []
    else:
        for event in events:
            chunk.append(event)
            if len(chunk) == size:
                yield chunk
                chunk = []
    if chunk:
        yield chunk
