"""Looking at the queue without touching it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, cast

import redis

from gong_views.message import UnreadableMessage, counted_at, parse
from gong_views.names import (
    DELAYED_KEY,
    DELAYED_MESSAGES_KEY,
    DROPPING_KEY,
    HELD_PARTS_KEY,
    HELD_PREFIX,
    UNACKED_KEY,
    UNREADABLE_KEY,
    Lane,
)

PAGE = 500
# How many messages are looked at for the oldest: at each end of a lane, and of the delayed set.
ENDS = 5
DELAYED_ENDS = 50


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many messages wait where."""

    live: int
    bulk: int
    delayed: int
    unacked: int
    unreadable: int
    held: int = 0
    """Set aside for parts that are held, or dropped by an operator and not written yet."""

    @property
    def total(self) -> int:
        """Everything that is not at its end."""
        return self.live + self.bulk + self.delayed + self.unacked + self.unreadable + self.held


def count(client: redis.Redis) -> QueueCounts:
    """The counts, all of one moment."""
    with client.pipeline(transaction=True) as pipe:
        pipe.llen(Lane.LIVE.queue)
        pipe.llen(Lane.BULK.queue)
        pipe.hlen(DELAYED_MESSAGES_KEY)
        pipe.hlen(UNACKED_KEY)
        pipe.llen(UNREADABLE_KEY)
        pipe.llen(DROPPING_KEY)
        pipe.hgetall(HELD_PARTS_KEY)
        *counts, dropping, held = pipe.execute()
    live, bulk, delayed, unacked, unreadable = (int(number) for number in counts)
    return QueueCounts(live, bulk, delayed, unacked, unreadable, int(dropping) + sum(map(int, held.values())))


def oldest_waiting(client: redis.Redis) -> dict[Lane, float | None]:
    """Seconds since the enqueue of the oldest message that waits in each lane, by Redis's clock; None without one.

    Looks at both ends of the lanes (a spool or an outbox delivers old messages late) and of the delayed set, so
    that it costs the same however long they are. A stock producer's message does not tell when it was enqueued.
    """
    with client.pipeline(transaction=False) as pipe:
        pipe.time()
        for lane in Lane:
            pipe.lrange(lane.queue, 0, ENDS - 1)
            pipe.lrange(lane.queue, -ENDS, -1)
        pipe.zrange(DELAYED_KEY, 0, DELAYED_ENDS - 1)
        pipe.zrange(DELAYED_KEY, -DELAYED_ENDS, -1)
        (seconds, micros), *ends, soonest, latest = pipe.execute()
    waiting = [
        (lane, raw) for number, lane in enumerate(Lane) for raw in ends[2 * number] + ends[2 * number + 1]
    ]
    if tags := [*soonest, *latest]:
        entries = cast(list[bytes | None], client.hmget(DELAYED_MESSAGES_KEY, tags))
        for queue, _, raw in (entry.partition(b"\n") for entry in entries if entry is not None):
            waiting.append((Lane.of_queue(queue.decode()), raw))
    oldest: dict[Lane, float | None] = dict.fromkeys(Lane)
    for lane, raw in waiting:
        try:
            enqueued_at = parse(raw).enqueued_at
        except UnreadableMessage:
            continue
        if enqueued_at is not None:
            age = max(0.0, seconds + micros / 1e6 - enqueued_at.timestamp())
            oldest[lane] = max(age, oldest[lane] or 0.0)
    return oldest


def last_due_at(client: redis.Redis) -> datetime | None:
    """When the last message of the delayed set is due; None without any."""
    found = cast(list[tuple[bytes, float]], client.zrange(DELAYED_KEY, -1, -1, withscores=True))
    return datetime.fromtimestamp(found[0][1], UTC) if found else None


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


def held_list(part: bytes) -> Any:
    """The key (bytes) of what is set aside of a part, by the part's name."""
    return HELD_PREFIX.encode() + part


def held_lists(client: redis.Redis) -> list[Any]:
    """The lists of what is set aside, and of what is dropped."""
    parts = cast(dict[bytes, bytes], client.hgetall(HELD_PARTS_KEY))
    return [*(held_list(part) for part in parts), DROPPING_KEY]


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
    for held in held_lists(client):
        start = 0
        while items := cast(list[bytes], client.lrange(held, start, start + PAGE - 1)):
            for entry in items:
                queue, _, raw = entry.partition(b"\n")
                yield Lane.of_queue(queue.decode()), raw
            start += PAGE
    for item in cast(list[bytes], client.lrange(UNREADABLE_KEY, 0, -1)):
        _, queue, raw = item.split(b"\n", 2)
        yield Lane.of_queue(queue.decode()), raw


def _enqueued_on(raw: bytes) -> date | None:
    counted, at = counted_at(raw)
    return at.date() if counted and at is not None else None
