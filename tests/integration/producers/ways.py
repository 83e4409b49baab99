"""The sync and the async queue behind one face, so that each law is held against both."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import pytest

from gong_views.aio import AsyncViewQueue
from gong_views.errors import QueueUnavailable
from gong_views.queue import ViewQueue
from gong_views.receipt import BatchResult, Receipt


class Way(Protocol):
    """What both can do."""

    def enqueue(self, event: Any, lane: Any = "live") -> Receipt: ...
    def enqueue_many(
        self, events: Iterable[Any], lane: Any = "live", *, batch_size: int = 500
    ) -> BatchResult: ...
    def drain_spool(self) -> int: ...
    def ping(self) -> None: ...
    def close(self) -> None: ...


class AsyncWay:
    """`AsyncViewQueue` on an event loop of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._runner = asyncio.Runner()
        self._queue = AsyncViewQueue(*args, **kwargs)

    def enqueue(self, event: Any, lane: Any = "live") -> Receipt:
        return self._runner.run(self._queue.enqueue(event, lane))

    def enqueue_many(
        self, events: Iterable[Any], lane: Any = "live", *, batch_size: int = 500
    ) -> BatchResult:
        return self._runner.run(self._queue.enqueue_many(events, lane, batch_size=batch_size))

    def drain_spool(self) -> int:
        return self._runner.run(self._queue.drain_spool())

    def ping(self) -> None:
        self._runner.run(self._queue.ping())

    def close(self) -> None:
        self._runner.run(self._queue.close())
        self._runner.close()


WAYS: list[Callable[..., Way]] = [ViewQueue, AsyncWay]


def refused(way: Way, seconds: float, event: Any, *, slack: float = 1.5) -> QueueUnavailable:
    """The error of an enqueue that must fail within `seconds` (and some slack for a loaded machine)."""
    began = time.monotonic()
    with pytest.raises(QueueUnavailable) as caught:
        way.enqueue(event)
    assert time.monotonic() - began < seconds + slack
    return caught.value
