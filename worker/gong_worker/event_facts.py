"""What the ledger keeps of an event beside its key; and of one that breaks the contract, what can be read of it."""

import hashlib
import json
from datetime import datetime
from typing import Any

from gong_views import EventKey, ViewEvent
from gong_views.canonical import payload_sha256
from gong_worker.domain.keyed_hash import keyed_hash
from gong_worker.ledger import EventFacts


def event_facts(event: ViewEvent, wire: dict[str, Any], hash_key: bytes) -> EventFacts:
    """Those of a valid event and its wire form."""
    return _facts(event.content_id, event.event_timestamp, payload_sha256(wire), hash_key)


def readable_facts(
    event: dict[str, Any], enqueued_at: datetime, hash_key: bytes
) -> tuple[EventKey, EventFacts] | None:
    """Its key and what the ledger keeps beside it; None when `reportingSystem` or `eventId` cannot be read.

    The time of the event is the enqueue's: its own may be what is wrong with it. Where the event has no canonical
    JSON, the hash is of the JSON as it came.
    """
    system = _text(event, "reportingSystem", "reporting_system")
    event_id = _text(event, "eventId", "event_id")
    if not system or not event_id:
        return None
    content_id = _text(event, "contentId", "content_id") or ""
    try:
        digest = payload_sha256(event)
    except ValueError:
        digest = hashlib.sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()
    return EventKey(system, event_id), _facts(content_id, enqueued_at, digest, hash_key)


def _facts(content_id: str, at: datetime, digest: str, hash_key: bytes) -> EventFacts:
    """The hash is keyed, so that whoever reads the ledger cannot confirm a guess of the event."""
    return EventFacts(content_id, at, keyed_hash(hash_key, bytes.fromhex(digest)), unkeyed_sha256=digest)


def _text(event: dict[str, Any], *names: str) -> str | None:
    found = [event[name] for name in names if name in event]
    # Both spellings at once may be the very fault: then neither is the key.
    return found[0] if len(found) == 1 and isinstance(found[0], str) else None
