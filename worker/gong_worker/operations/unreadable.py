"""From the quarantine (`gong-views.unreadable`) into the ledger's dead letters."""

from datetime import UTC, datetime
from typing import cast

import redis

from gong_views.message import UnreadableMessage, counted_at, parse
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
        tag, _, quarantined = tag.partition(b"@")
        lane = Lane.of_queue(queue.decode())
        counted, at = counted_at(raw)
        # Not the present time: a crash before the removal would count it on one day and file it under another.
        at = at or (datetime.fromtimestamp(int(quarantined), UTC) if quarantined else now)
        message = MessageRef(tag.decode(), lane, at, None, None)
        reason, why = _why(raw)
        ledger.dead_letter_message(raw, message, reason_text=why, now=now, reason=reason)
        taken(
            keys=[UNREADABLE_KEY, ENQUEUE_COUNTS_KEY],
            args=[item, "" if counted else enqueue_count_field(lane, at)],
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
