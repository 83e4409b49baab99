"""Every message that waits, wherever, and taking one out of the middle while workers go on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import redis

from gong_views.message import Envelope, UnreadableMessage, parse
from gong_views.names import (
    DELAYED_KEY,
    DELAYED_MESSAGES_KEY,
    DROPPING_KEY,
    HELD_PARTS_KEY,
    UNACKED_INDEX_KEY,
    UNACKED_KEY,
    Lane,
)
from gong_worker.queue.inspect import held_list
from gong_worker.queue.messages import script

PAGE = 500


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message as it was seen. `key`: its list or hash; `item`: what stands there; `tag`, `part`: if it has one."""

    key: Any
    item: bytes
    queue: bytes
    raw: bytes
    tag: bytes = b""
    part: bytes = b""
    near_tail: bool = False
    """Of a list: from which end it is looked for, because that holds Redis up less."""

    @property
    def lane(self) -> Lane:
        """The lane it came on."""
        return Lane.of_queue(self.queue.decode())

    def envelope(self) -> Envelope | None:
        """What it says; None when nobody can read it."""
        try:
            return parse(self.raw)
        except UnreadableMessage:
            return None


def waiting(client: redis.Redis) -> Iterator[Waiting]:
    """The messages in nobody's hand: set aside, delayed, on the lanes. Raises RedisError.

    Read page by page while they move: one may come twice, and one that is put back behind the reader's place is not
    seen. So whoever wants all of them looks at what is `in_hand` and `put_off` after it, and until one look finds no
    more.
    """
    yield from put_off(client)
    for lane in Lane:
        for raw, near_tail in _listed(client, lane.queue):
            yield Waiting(lane.queue, raw, lane.queue.encode(), raw, near_tail=near_tail)


def put_off(client: redis.Redis) -> Iterator[Waiting]:
    """Those of them that are not on a lane. Raises RedisError."""
    parts = cast(dict[bytes, bytes], client.hgetall(HELD_PARTS_KEY))
    for key, part in [*((held_list(name), name) for name in parts), (DROPPING_KEY, b"")]:
        for entry, near_tail in _listed(client, key):
            queue, _, raw = entry.partition(b"\n")
            yield Waiting(key, entry, queue, raw, part=part, near_tail=near_tail)
    for tag, entry in client.hscan_iter(DELAYED_MESSAGES_KEY, count=PAGE):
        queue, _, raw = entry.partition(b"\n")
        yield Waiting(DELAYED_MESSAGES_KEY, entry, queue, raw, tag=tag)


def in_hand(client: redis.Redis) -> Iterator[Waiting]:
    """The messages that workers have in hand. Raises RedisError."""
    for tag, entry in client.hscan_iter(UNACKED_KEY, count=PAGE):
        queue, _, raw = entry.partition(b"\n")
        yield Waiting(UNACKED_KEY, entry, queue, raw, tag=tag)


def take(client: redis.Redis, message: Waiting, tag: str) -> bool:
    """Take it under a delivery tag, as a pop does; False when it is no longer where it was. Raises RedisError."""
    taken = client.register_script(script("take"))
    keys = [message.key, UNACKED_KEY, UNACKED_INDEX_KEY, DELAYED_KEY, HELD_PARTS_KEY]
    entry = message.queue + b"\n" + message.raw
    arguments = [tag, message.item, entry, message.tag, message.part, -1 if message.near_tail else 1]
    return bool(taken(keys=keys, args=arguments))


def _listed(client: redis.Redis, key: Any) -> Iterator[tuple[bytes, bool]]:
    """From the head on: what is pushed there meanwhile makes an item come twice, and none escape."""
    start, middle = 0, client.llen(key) // 2
    while items := cast(list[bytes], client.lrange(key, start, start + PAGE - 1)):
        yield from ((item, start >= middle) for item in items)
        start += PAGE
