"""What waits in the queue, readable: the next messages of a lane, and where one event's messages are."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from gong_views.names import Lane
from gong_worker.queue.browse import Place, QueuedMessage, browse_all, browse_delayed, browse_lane


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """One message, without its payload. `ahead`: messages that go before it in its lane; `due_at`: of its next try.

    readable: False for an item that will end as a dead letter `unreadable`.
    """

    place: Place
    lane: Lane
    ahead: int | None
    due_at: datetime | None
    readable: bool
    message_id: str | None
    reporting_system: str | None
    event_id: str | None
    content_id: str | None
    source: str | None
    enqueued_at: datetime | None
    age_seconds: float | None
    replay_of: int | None


def peek(client: redis.Redis, place: Lane | None, *, limit: int) -> list[WaitingMessage]:
    """The next messages of a lane, or, with None, of those that wait for another try. Raises RedisError."""
    found: Iterator[QueuedMessage] = (
        browse_delayed(client, limit=limit) if place is None else browse_lane(client, place, limit=limit)
    )
    return [_waiting(message) for message, _ in zip(found, range(limit), strict=False)]


def find(
    client: redis.Redis, event_id: str, reporting_system: str | None = None, *, seconds: float | None = None
) -> tuple[list[WaitingMessage], bool]:
    """The messages of an event, wherever they are, and whether the whole queue was read for them.

    Reads every message, which takes about 30 s a million, for so many seconds at most. Raises RedisError.
    """
    end = None if seconds is None else time.monotonic() + seconds
    found = []
    for message in browse_all(client):
        envelope = message.envelope
        if envelope is not None and _is_of(envelope.event, event_id, reporting_system):
            found.append(_waiting(message))
        if end is not None and time.monotonic() > end:
            return found, False
    return found, True


def _is_of(event: dict[str, Any], event_id: str, reporting_system: str | None) -> bool:
    return event.get("eventId") == event_id and reporting_system in (None, event.get("reportingSystem"))


def _waiting(message: QueuedMessage) -> WaitingMessage:
    envelope = message.envelope
    event: dict[str, Any] = {} if envelope is None else envelope.event
    since = None if envelope is None else envelope.enqueued_at
    age = None if since is None else max(0.0, (datetime.now(UTC) - since).total_seconds())
    return WaitingMessage(
        place=message.place,
        lane=message.lane,
        ahead=message.ahead,
        due_at=message.due_at,
        readable=envelope is not None,
        message_id=None if envelope is None else envelope.message_id,
        reporting_system=_text(event.get("reportingSystem")),
        event_id=_text(event.get("eventId")),
        content_id=_text(event.get("contentId")),
        source=None if envelope is None else envelope.source,
        enqueued_at=since,
        age_seconds=age,
        replay_of=None if envelope is None else envelope.replay_of,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
