"""The Redis commands of an enqueue and the check of their replies, without I/O; for the sync and the async queue.

One transaction an enqueue: the messages, and their number in the enqueue counts by lane and UTC day. The day is that
of the messages' own `enqueued_at`, so that a count and what it counts never fall on two days.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import redis

from gong_views import message
from gong_views.errors import InvalidViewEvent
from gong_views.event import ViewEvent
from gong_views.names import ENQUEUE_COUNTS_KEY, Lane
from gong_views.receipt import BatchResult, Receipt
from gong_views.trace_context import TraceContext

Event = ViewEvent | Mapping[str, Any] | str | bytes
Command = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One validated event to be enqueued."""

    event_id: str
    wire: dict[str, Any]
    source: str | None = None
    replay_of: int | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """The commands of one enqueue, and its receipts, valid once `verify` has passed."""

    commands: list[Command]
    receipts: list[Receipt]


@dataclass(slots=True)
class Batch:
    """A batch being validated: the valid events with their indexes, and the errors of the others."""

    source: str | None
    indexes: list[int] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    result: BatchResult = field(default_factory=BatchResult)

    def add(self, index: int, event: Event) -> None:
        """Validate an event; an invalid one becomes a rejection."""
        try:
            item = to_item(event, source=self.source)
        except InvalidViewEvent as error:
            self.result.rejected.append((index, error.errors))
        else:
            self.indexes.append(index)
            self.items.append(item)

    def accept(self, receipts: Sequence[Receipt]) -> BatchResult:
        """The batch's result, now that its events are in."""
        self.result.accepted.extend(zip(self.indexes, receipts, strict=True))
        return self.result


def to_lane(lane: Lane | str) -> Lane:
    """The lane of that name; ValueError names the two there are."""
    try:
        return Lane(lane)
    except ValueError:
        raise ValueError('the lane is neither "live" nor "bulk"') from None


def to_item(event: Event, *, source: str | None = None, replay_of: int | None = None) -> Item:
    """Validate an event; raises InvalidViewEvent."""
    valid = event if isinstance(event, ViewEvent) else ViewEvent.parse(event)
    return Item(valid.event_id, valid.wire(), source, replay_of)


def transaction(
    lane: Lane, items: Sequence[Item], now: datetime | None = None, trace: TraceContext | None = None
) -> Transaction:
    """The one MULTI that puts these events on the lane and counts them; `trace` is what they are part of."""
    now = now or datetime.now(UTC)
    receipts, raws = [], []
    for item in items:
        message_id, raw = message.build(
            item.wire,
            lane,
            enqueued_at=now,
            source=item.source,
            replay_of=item.replay_of,
            trace=trace,
        )
        receipts.append(Receipt(item.event_id, message_id))
        raws.append(raw)
    day = f"{lane.value}|{now.astimezone(UTC):%Y-%m-%d}"
    commands: list[Command] = [
        ("MULTI",),
        ("LPUSH", lane.queue, *raws),
        ("HINCRBY", ENQUEUE_COUNTS_KEY, day, len(raws)),
        ("EXEC",),
    ]
    return Transaction(commands, receipts)


def probe(now: datetime | None = None) -> Command:
    """A command that asks of Redis what an enqueue asks, and changes nothing: a write by zero."""
    now = now or datetime.now(UTC)
    return ("HINCRBY", ENQUEUE_COUNTS_KEY, f"{Lane.LIVE.value}|{now.astimezone(UTC):%Y-%m-%d}", 0)


def verify(replies: Sequence[Any]) -> None:
    """Raise the first error among the replies of a transaction, also one inside of EXEC's.

    An error before EXEC (out of memory, read-only) discards the whole; one in EXEC's own list (a key of
    another type) does not undo the other command: see `undo`.
    """
    executed = replies[-1]
    for reply in (*replies[:-1], executed, *(executed if isinstance(executed, list) else ())):
        if isinstance(reply, Exception):
            raise reply
    if not isinstance(executed, list) or len(executed) != len(replies) - 2:
        raise redis.exceptions.InvalidResponse("EXEC did not answer with the results of its commands")


def undo(commands: Sequence[Command], replies: Sequence[Any]) -> Command | None:
    """The command that takes a count back whose push failed, if that is what happened."""
    executed = replies[-1]
    if not isinstance(executed, list) or len(executed) != 2:
        return None
    pushed, counted = executed
    if isinstance(pushed, Exception) and not isinstance(counted, Exception):
        name, key, field_name, number = commands[2]
        return (name, key, field_name, -number)
    return None
