"""Reading the messages that wait, one by one, without touching them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import cast

import redis

from gong_views.message import Envelope, UnreadableMessage, parse
from gong_views.names import DELAYED_KEY, DELAYED_MESSAGES_KEY, UNACKED_KEY, Lane
from gong_worker.queue.inspect import held_lists

PAGE = 500


class Place(StrEnum):
    """Where a message is."""

    LANE = "lane"  # waits for its turn
    DELAYED = "delayed"  # waits for its next try, until `due_at`
    UNACKED = "unacked"  # in a worker's hand
    HELD = "held"  # set aside while its part of the traffic is held


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """One message. `envelope` None: nobody can read it. `ahead`: messages before it in its lane.

    `tag`: its delivery tag, where it has one; `raw`: the queue item as it is.
    """

    place: Place
    lane: Lane
    envelope: Envelope | None
    ahead: int | None
    due_at: datetime | None
    tag: str | None
    raw: bytes


def browse_lane(client: redis.Redis, lane: Lane, *, limit: int | None = None) -> Iterator[QueuedMessage]:
    """The messages of a lane in the order in which they are taken. Raises RedisError.

    Taken meanwhile, a message may be missed or come twice: a picture, not a count.
    """
    start = 0
    while limit is None or start < limit:
        size = PAGE if limit is None else min(PAGE, limit - start)
        items = cast(list[bytes], client.lrange(lane.queue, -start - size, -start - 1))
        for ahead, raw in enumerate(reversed(items), start):
            yield QueuedMessage(Place.LANE, lane, _read(raw), ahead, None, None, raw)
        start += len(items)
        if len(items) < size:
            return


def browse_delayed(client: redis.Redis, *, limit: int | None = None) -> Iterator[QueuedMessage]:
    """The messages that wait for their next try, the soonest first. Raises RedisError."""
    start = 0
    while limit is None or start < limit:
        size = PAGE if limit is None else min(PAGE, limit - start)
        due = cast(
            list[tuple[bytes, float]],
            client.zrange(DELAYED_KEY, start, start + size - 1, withscores=True),
        )
        if not due:
            return
        entries = cast(
            list[bytes | None], client.hmget(DELAYED_MESSAGES_KEY, [tag.decode() for tag, _ in due])
        )
        for (tag, score), entry in zip(due, entries, strict=True):
            if entry is not None:
                at = datetime.fromtimestamp(score, UTC)
                yield _entry(Place.DELAYED, tag, entry, at)
        start += size


def browse_unacked(client: redis.Redis) -> Iterator[QueuedMessage]:
    """The messages that workers have in hand. Raises RedisError."""
    for tag, entry in client.hscan_iter(UNACKED_KEY, count=PAGE):
        yield _entry(Place.UNACKED, tag, entry, None)


def browse_held(client: redis.Redis) -> Iterator[QueuedMessage]:
    """The messages set aside for parts that are held, the latest first. Raises RedisError."""
    for key in held_lists(client):
        start = 0
        while items := cast(list[bytes], client.lrange(key, start, start + PAGE - 1)):
            for entry in items:
                queue, _, raw = entry.partition(b"\n")
                lane = Lane.of_queue(queue.decode())
                yield QueuedMessage(Place.HELD, lane, _read(raw), None, None, None, raw)
            start += PAGE


def browse_all(client: redis.Redis) -> Iterator[QueuedMessage]:
    """Every message of ours: in hand, live, bulk, delayed, held. Raises RedisError."""
    yield from browse_unacked(client)
    for lane in Lane:
        yield from browse_lane(client, lane)
    yield from browse_delayed(client)
    yield from browse_held(client)


def remove_from_lane(client: redis.Redis, message: QueuedMessage) -> bool:
    """Take a message off its lane; False when it is no longer there. Raises RedisError."""
    return bool(client.lrem(message.lane.queue, 1, cast(str, message.raw)))


def _entry(place: Place, tag: bytes, entry: bytes, due_at: datetime | None) -> QueuedMessage:
    queue, _, raw = entry.partition(b"\n")
    lane = Lane.of_queue(queue.decode())
    return QueuedMessage(place, lane, _read(raw), None, due_at, tag.decode(), raw)


def _read(raw: bytes) -> Envelope | None:
    try:
        return parse(raw)
    except UnreadableMessage:
        return None
