"""What went in, kept twice: counted in Redis with each enqueue, and mirrored to the ledger every few seconds.

The mirror is what is left to compare with after a wiped Redis. A wipe begins a new generation of counts, so
the sums of the generations never go down. So does a Redis that has counted less than it had before: a replica
that was behind and has been promoted, or a backup of an earlier hour. Without that, its next messages would fill
up the old count, and hide as many that were lost.
"""

import logging
import uuid
from collections.abc import Mapping
from datetime import date
from typing import cast

import redis

from gong_views.names import ENQUEUE_COUNTS_KEY, Lane
from gong_worker.ledger import Ledger

log = logging.getLogger(__name__)

GENERATION_FIELD = "generation"
Counts = dict[tuple[Lane, date], int]

# A new generation counts what is beyond the mirror of the old one. ARGV: old and new generation, then each
# mirrored field and its count. One step, so that it happens once however many workers see it. The counts are looked
# at again here: those that a worker read before it read the mirror may be older than the mirror. Returns by how many
# messages Redis is behind.
BEGIN_GENERATION = """#!lua flags=allow-oom
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end
local behind = 0
for i = 3, #ARGV, 2 do
  behind = behind + math.max(0, tonumber(ARGV[i + 1]) - tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0'))
end
if behind == 0 then return 0 end
redis.call('HSET', KEYS[1], 'generation', ARGV[2])
for i = 3, #ARGV, 2 do
  local more = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0') - tonumber(ARGV[i + 1])
  if more > 0 then
    redis.call('HSET', KEYS[1], ARGV[i], more)
  else
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return behind
"""


def read_enqueue_counts(client: redis.Redis) -> tuple[str, Counts]:
    """The generation of the counts in Redis, and the counts by lane and UTC day; what is no count is passed over."""
    fields = cast(dict[bytes, bytes], client.hgetall(ENQUEUE_COUNTS_KEY))
    if GENERATION_FIELD.encode() not in fields:
        # One transaction: a wipe in between would give the counts of one life to the next. Written only when it
        # is missing, for a full Redis refuses it.
        with client.pipeline(transaction=True) as pipe:
            pipe.hsetnx(ENQUEUE_COUNTS_KEY, GENERATION_FIELD, uuid.uuid4().hex)
            pipe.hgetall(ENQUEUE_COUNTS_KEY)
            fields = cast(dict[bytes, bytes], pipe.execute()[1])
    generation = fields.pop(GENERATION_FIELD.encode()).decode()
    return generation, dict(count for field in fields.items() if (count := _count(*field)) is not None)


def _count(field: bytes, value: bytes) -> tuple[tuple[Lane, date], int] | None:
    # Whoever may enqueue may write any field here; one that is no count must not stop the others from being read.
    try:
        lane, _, day = field.decode().partition("|")
        return (Lane(lane), date.fromisoformat(day)), int(value)
    except ValueError:
        return None


def mirror_enqueue_counts(client: redis.Redis, ledger: Ledger) -> None:
    """Copy the counts to the ledger, as a new generation when Redis is behind its own mirror."""
    generation, counts = read_enqueue_counts(client)
    mirrored = ledger.mirrored_enqueue_counts(generation)
    if any(counts.get(place, 0) < number for place, number in mirrored.items()):
        _begin_generation(client, generation, mirrored)
        generation, counts = read_enqueue_counts(client)
        mirrored = ledger.mirrored_enqueue_counts(generation)
    more = {place: number for place, number in counts.items() if number > mirrored.get(place, 0)}
    if more:
        ledger.mirror_enqueue_counts(generation, more)


def _begin_generation(
    client: redis.Redis, generation: str, mirrored: Mapping[tuple[Lane, date], int]
) -> None:
    fields = [item for (lane, day), number in mirrored.items() for item in (f"{lane}|{day}", number)]
    begin = client.register_script(BEGIN_GENERATION)
    behind = int(begin(keys=[ENQUEUE_COUNTS_KEY], args=[generation, uuid.uuid4().hex, *fields]))
    if behind:
        log.error(
            "Redis has counted fewer messages than before: a replica that was behind was promoted, or an older"
            " backup restored; `gong-views reconcile` says what is missing",
            extra={"action": "enqueue_counts_behind", "messages": behind},
        )
