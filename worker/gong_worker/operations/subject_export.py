"""All that is held of one person, for that person: a copy in one file."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

from gong_worker.display import json_text
from gong_worker.domain.audit import AuditAction
from gong_worker.domain.person import Person
from gong_worker.operations.dead_letters import event_of
from gong_worker.operations.person_data import (
    Places,
    found_in,
    in_hand_of,
    letters_of,
    person_hash,
    put_off_of,
    waiting_of,
)
from gong_worker.queue.waiting import Waiting


def export_subject(
    places: Places, person: Person, out: TextIO, *, by: str, reason: str | None
) -> dict[str, int]:
    """Write what is held as one JSON document, after the audit has noted it; how much, by place.

    Raises RedisError, LedgerUnavailable, OSError or the outbox's errors.
    """
    seen: set[bytes] = set()

    def unseen(messages: Iterator[Waiting]) -> list[dict[str, Any]]:
        found = [one for one in messages if one.raw not in seen]
        seen.update(one.raw for one in found)
        return [_message(one) for one in found]

    services = places.services
    held: dict[str, list[dict[str, Any]]] = {
        "waiting": unseen(waiting_of(services, person)),
        "in_hand": unseen(in_hand_of(services, person)),
        "dead_letters": [
            {
                "id": letter.id,
                "at": letter.created_at.isoformat(),
                "reason": letter.reason,
                "errors": letter.errors,
                "event": event_of(letter),
            }
            for letter in letters_of(places.services, person)
        ],
        "spooled": [
            {"event": _parsed(text)} for spool in places.spools for _, text in found_in(spool, person)
        ],
    }
    # Those that moved on behind the reader meanwhile.
    held["waiting"] += unseen(put_off_of(services, person))
    if places.outbox is not None:
        held["outbox"] = [{"event": _parsed(text)} for _, text in found_in(places.outbox, person)]
    counts = {place: len(found) for place, found in held.items()}
    places.services.ledger.record_action(
        AuditAction.SUBJECT_EXPORT, by=by, at=datetime.now(UTC), count=sum(counts.values()),
        target={"person": person_hash(places.services, person)}, reason=reason, details=counts,
    )  # fmt: skip
    document = {"person": {"email": person.email, "trackingId": person.tracking_id}, **held}
    out.write(json_text({"exported_at": datetime.now(UTC).isoformat(), **document}, indent=2) + "\n")
    return counts


def _message(message: Waiting) -> dict[str, Any]:
    envelope = message.envelope()
    if envelope is None:
        return {"lane": message.lane, "event": message.raw.decode(errors="backslashreplace")}
    at = envelope.enqueued_at
    return {"lane": message.lane, "enqueued_at": at and at.isoformat(), "event": envelope.event}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
