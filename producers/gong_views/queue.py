"""The producer for synchronous Python: `ViewQueue`, and `enqueue_view`, configured by the environment."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Self

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
from gong_views.connection import Connections
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


class ViewQueue:
    """Puts view events on the queue. One instance a process is enough: it is safe with threads and forks.

    Making one does no I/O. `redis_url`, `timeout_seconds` (the longest an enqueue may take, 2 s) and the
    folder of the spool come from the environment where not given; see docs/producers.md.

    `source` names the producer in the ledger. With `on_unavailable="spool"` an event that Redis does not take
    goes to a local file (`spool_path`), and from there to Redis with the next enqueue that succeeds.

    Raises SettingsError for settings that cannot work.
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
        self._connections: Connections | None = None
        if not self._options.embedded:
            self._get_connections()  # a URL that cannot be read is said now

    def enqueue(
        self, event: Event, lane: Lane | LaneName = "live", *, replay_of: int | None = None
    ) -> Receipt:
        """Validate the event and put it on the queue; returns when Redis has it.

        `replay_of` is the dead letter that this replays. Raises InvalidViewEvent, and QueueUnavailable within
        the timeout. Enqueuing an event again is always harmless: each event key reaches Gong once.
        """
        lane = to_lane(lane)
        item = to_item(event, source=self._options.source, replay_of=replay_of)
        try:
            [receipt] = self._push(lane, [item])
        except QueueUnavailable as error:
            return self._options.spooled(lane, [item], error)[0]
        self._drain_after_enqueue()
        return receipt

    def enqueue_many(
        self, events: Iterable[Event], lane: Lane | LaneName = "live", *, batch_size: int = 500
    ) -> BatchResult:
        """Put many events on the queue, `batch_size` in one round trip and one transaction.

        Events are taken from the iterable as needed. Invalid ones are reported by index, the others go in.
        Raises QueueUnavailable, whose `result` says which events surely went in before; running the whole
        again is harmless.
        """
        result = BatchResult()
        try:
            for part in self.enqueue_batches(events, lane, batch_size=batch_size):
                result.extend(part)
        except QueueUnavailable as error:
            raise with_result(error, result) from error.__cause__
        return result

    def enqueue_batches(
        self, events: Iterable[Event], lane: Lane | LaneName = "live", *, batch_size: int = 500
    ) -> Iterator[BatchResult]:
        """As `enqueue_many`, one result a batch: for progress, or when there are very many."""
        lane = to_lane(lane)
        if batch_size < 1:
            raise ValueError("batch_size is at least 1")
        return self._batches(iter(events), lane, batch_size)

    def _batches(self, events: Iterator[Event], lane: Lane, size: int) -> Iterator[BatchResult]:
        index = 0
        down: QueueUnavailable | None = None
        while chunk := list(islice(events, size)):
            batch = Batch(self._options.source)
            for event in chunk:
                batch.add(index, event)
                index += 1
            if down is None:
                try:
                    yield batch.accept(self._push(lane, batch.items))
                    continue
                except QueueUnavailable as error:
                    down = error
            # Redis is away: the rest goes to the spool at once, not each batch after a timeout of its own.
            yield batch.accept(self._options.spooled(lane, batch.items, down))
        if down is None:
            self._drain_after_enqueue()

    def drain_spool(self) -> int:
        """Put every spooled event on the queue; returns how many. Raises QueueUnavailable, OSError."""
        total = 0
        while (number := self._drain(DRAIN_BATCH)) is not None:
            total += number
        return total

    def ping(self) -> None:
        """Raise QueueUnavailable unless Redis takes writes; changes nothing there."""
        [reply] = self._exchange([probe()])
        if isinstance(reply, Exception):
            raise self._unavailable(reply)

    def close(self) -> None:
        """Close the connections and the spool. The queue may be used again all the same: it opens new ones."""
        if self._connections is not None:
            self._connections.close()
        self._options.spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _push(self, lane: Lane, items: Sequence[Item]) -> list[Receipt]:
        if not items:
            return []
        with enqueueing(lane, len(items)) as trace:
            push = transaction(lane, items, trace=trace)
            replies = self._exchange(push.commands)
            try:
                verify(replies)
            except Failure as error:
                if (command := undo(push.commands, replies)) is not None:
                    self._exchange([command])
                raise self._unavailable(error) from error
            return push.receipts

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        connections = self._get_connections()
        try:
            return connections.exchange(commands)
        except Exception as error:  # whatever it is, the event is not known to be in
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> QueueUnavailable:
        return explain(error, self._get_connections().where, self._options.seconds)

    def _get_connections(self) -> Connections:
        # Two threads may make two of them at first; the one that loses is closed when collected.
        connections = self._connections
        if connections is None:
            connections = self._connections = Connections(self._options.url(), self._options.seconds)
        return connections

    def _drain_after_enqueue(self) -> None:
        if self._options.spooling:
            with logging_failure():
                if self._options.spool.has_events():
                    self._drain(DRAIN_AFTER_ENQUEUE)

    def _drain(self, limit: int) -> int | None:
        with self._options.spool.taking(limit, self._options.lease_seconds) as batch:
            if batch is None:
                return None
            for lane, items in batch.lanes.items():
                self._push(lane, items)
            return batch.size


def enqueue_view(event: Event, lane: Lane | LaneName = "live") -> Receipt:
    """Put one event on the queue that the environment names; see `ViewQueue.enqueue`."""
    return default_queue().enqueue(event, lane)


_VARIABLES = ("REDIS_URL", "GONG_VIEWS_DATA_DIR", "GONG_VIEWS_ENQUEUE_TIMEOUT_SECONDS")


def default_queue() -> ViewQueue:
    """The queue of `enqueue_view`: one for each environment seen, so that a changed variable takes effect."""
    return _queue_of_environment(str(Path.cwd()), *(os.environ.get(name) for name in _VARIABLES))


@lru_cache(maxsize=4)
def _queue_of_environment(*_: str | None) -> ViewQueue:
    return ViewQueue()
