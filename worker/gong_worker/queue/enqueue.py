"""Putting many replays on the queue in one transaction."""

from collections.abc import Sequence

import redis

from gong_views.commands import Item, transaction
from gong_views.names import Lane
from gong_views.receipt import Receipt


def enqueue_items(client: redis.Redis, lane: Lane, items: Sequence[Item]) -> list[Receipt]:
    """Push the items and count them, both or neither; the receipts in their order. Raises RedisError."""
    if not items:
        return []
    made = transaction(lane, items)
    _, (_, queue, *raws), (_, counts_key, field, number), _ = made.commands
    with client.pipeline(transaction=True) as pipe:
        pipe.lpush(queue, *raws)
        pipe.hincrby(counts_key, field, number)
        pipe.execute()
    return made.receipts
