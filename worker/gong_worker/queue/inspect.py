"""Looking at the queue without touching it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import cast

import redis

from gong_views.message import UnreadableMessage, parse
from gong_views.names import (
    DELAYED_MESSAGES_KEY,
    UNACKED_KEY,
    UNREADABLE_KEY,
    Lane,
)

PAGE = 500


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many messages wait where."""

    live: int
    bulk: int
    delayed: int
    unacked: int
    unreadable: int

    @property
    def total(self) -> int:
        """Everything that is not at its end."""
        return self.live + self.bulk + self.delayed + self.unacked + self.unreadable


def count(client: redis.Redis) -> QueueCounts:
    """The counts, all of one moment."""
    with client.pipeline(transaction=True) as pipe:
        pipe.llen(Lane.LIVE.queue)
        pipe.llen(Lane.BULK.queue)
        pipe.hlen(DELAYED_MESSAGES_KEY)
        pipe.hlen(UNACKED_KEY)
        pipe.llen(UNREADABLE_KEY)
        return QueueCounts(*(int(number) for number in pipe.execute()))


def counted_by_lane_and_day(client: redis.Redis) -> tuple[Counter[tuple[Lane, date]], int]:
    """Messages in the queue that the intake has counted, by lane and UTC day; and how many it has not.

    Reads every message, a page at a time: for reconciling, not for a dashboard.
    """
    found: Counter[tuple[Lane, date]] = Counter()
    uncounted = 0
    for lane, raw in _messages(client):
        day = _enqueued_on(raw)
        if day is None:
            uncounted += 1
        else:
            found[lane, day] += 1
    return found, uncounted


def _messages(client: redis.Redis) -> Iterator[tuple[Lane, bytes]]:
    for lane in Lane:
        # From the head on: what is popped meanwhile shortens the list there, so a page may miss a message
        # but never sees one twice. Reconciling looks again until two looks agree.
        start = 0
        while items := cast(list[bytes], client.lrange(lane.queue, start, start + PAGE - 1)):
            yield from ((lane, item) for item in items)
            start += PAGE
    for key in (UNACKED_KEY, DELAYED_MESSAGES_KEY):
        for _, entry in client.hscan_iter(key, count=PAGE):
            queue, _, raw = entry.partition(b"\n")
            yield Lane.of_queue(queue.decode()), raw
    for item in cast(list[bytes], client.lrange(UNREADABLE_KEY, 0, -1)):
        _, queue, raw = item.split(b"\n", 2)
        yield Lane.of_queue(queue.decode()), raw


def _enqueued_on(raw: bytes) -> date | None:
    try:
        envelope = parse(raw)
    except UnreadableMessage:
        return None
    return envelope.enqueued_at.date() if envelope.counted and envelope.enqueued_at is not None else None
