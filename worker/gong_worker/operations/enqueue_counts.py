"""What went in, kept twice: counted in Redis with each enqueue, and mirrored to the ledger every few seconds.

The mirror is what is left to compare with after a wiped Redis. A wipe begins a new generation of counts, so
the sums of the generations never go down.
"""

import uuid
from datetime import date
from typing import cast

import redis

from gong_views.names import ENQUEUE_COUNTS_KEY, Lane
from gong_worker.ledger import Ledger

GENERATION_FIELD = "generation"
Counts = dict[tuple[Lane, date], int]


def read_enqueue_counts(client: redis.Redis) -> tuple[str, Counts]:
    """The generation of the counts in Redis, and the counts by lane and UTC day."""
    fields = cast(dict[bytes, bytes], client.hgetall(ENQUEUE_COUNTS_KEY))
    if GENERATION_FIELD.encode() not in fields:
        # One transaction: a wipe in between would give the counts of one life to the next. Written only when it
        # is missing, for a full Redis refuses it.
        with client.pipeline(transaction=True) as pipe:
            pipe.hsetnx(ENQUEUE_COUNTS_KEY, GENERATION_FIELD, uuid.uuid4().hex)
            pipe.hgetall(ENQUEUE_COUNTS_KEY)
            fields = cast(dict[bytes, bytes], pipe.execute()[1])
    generation = fields.pop(GENERATION_FIELD.encode()).decode()
    return generation, dict(_count(name.decode(), value) for name, value in fields.items())


def _count(field: str, value: bytes) -> tuple[tuple[Lane, date], int]:
    lane, _, day = field.partition("|")
    return (Lane(lane), date.fromisoformat(day)), int(value)


def mirror_enqueue_counts(client: redis.Redis, ledger: Ledger) -> None:
    """Copy the counts to the ledger."""
    generation, counts = read_enqueue_counts(client)
    if counts:
        ledger.mirror_enqueue_counts(generation, counts)
