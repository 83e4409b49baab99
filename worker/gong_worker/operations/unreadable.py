"""From the quarantine (`gong-views.unreadable`) into the ledger's dead letters."""

import json
from datetime import UTC, datetime
from typing import cast

import redis

from gong_views.message import COUNTED_HEADER, UnreadableMessage, parse
from gong_views.names import ENQUEUE_COUNTS_KEY, UNREADABLE_KEY, Lane
from gong_worker.domain.states import DeadLetterReason
from gong_worker.ledger import Ledger, MessageRef
from gong_worker.queue.messages import enqueue_count_field

# Remove the item and, when no producer counted it in, count it: one step, so that it happens once.
TAKEN = """#!lua flags=allow-oom
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 1 and ARGV[2] ~= '' then
  redis.call('HINCRBY', KEYS[2], ARGV[2], 1)
end
"""
AT_ONCE = 100


def take_unreadable(client: redis.Redis, ledger: Ledger) -> int:
    """Write every quarantined item as a dead letter, then remove it; returns how many."""
    items = cast(list[bytes], client.lrange(UNREADABLE_KEY, -AT_ONCE, -1))
    if not items:
        return 0
    taken = client.register_script(TAKEN)
    now = datetime.now(UTC)
    for item in reversed(items):
        tag, queue, raw = item.split(b"\n", 2)
        lane = Lane.of_queue(queue.decode())
        message = MessageRef(tag.decode(), lane, now, None, None)
        reason, why = _why(raw)
        ledger.dead_letter_message(raw, message, reason_text=why, now=now, reason=reason)
        taken(
            keys=[UNREADABLE_KEY, ENQUEUE_COUNTS_KEY],
            args=[item, "" if _counted(raw) else enqueue_count_field(lane, now)],
        )
    return len(items)


def _why(raw: bytes) -> tuple[DeadLetterReason, str]:
    try:
        parse(raw)
    except UnreadableMessage as error:
        return DeadLetterReason.UNREADABLE, str(error)
    return (
        DeadLetterReason.EXHAUSTED,
        "its delivery failed unexpectedly at every attempt: the workers' log says how (action=delivery_failed)",
    )


def _counted(raw: bytes) -> bool:
    try:
        return COUNTED_HEADER in json.loads(raw)["headers"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
