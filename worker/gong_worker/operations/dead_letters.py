"""Dead letters: list, show, replay, discard."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from gong_views import InvalidViewEvent, ViewEvent, ViewQueue
from gong_views.names import Lane
from gong_worker.ledger import AlreadyResolved, DeadLetter, DeadLetterNotFound, Ledger
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import Services


def list_dead_letters(ledger: Ledger, *, open_only: bool, limit: int, after_id: int) -> list[dict[str, Any]]:
    """Dead letters without their payloads, oldest first."""
    found = ledger.list_dead_letters(open_only=open_only, limit=limit, after_id=after_id)
    return [_without_payload(to_json(letter)) for letter in found]


def show_dead_letter(ledger: Ledger, letter_id: int) -> dict[str, Any]:
    """One dead letter, payload included; raises DeadLetterNotFound."""
    found: dict[str, Any] = to_json(ledger.get_dead_letter(letter_id))
    return found


def replay(
    services: Services, ids: list[int] | None, *, by: str, lane: str, payload: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Enqueue the letters again, then mark them; `ids` None means every open one.

    In this order a crash in between enqueues twice at worst, which the event key makes harmless. One that
    cannot be replayed says so in its result and stops none of the others. Raises QueueUnavailable.
    """
    results = []
    with ViewQueue(services.redis_url) as queue:
        for letter_id in services.ledger.open_dead_letter_ids() if ids is None else ids:
            results.append(_replay_one(services.ledger, queue, letter_id, by, lane, payload))
    return results


def _replay_one(
    ledger: Ledger, queue: ViewQueue, letter_id: int, by: str, lane: str, payload: dict[str, Any] | None
) -> dict[str, Any]:
    try:
        letter = ledger.get_dead_letter(letter_id)
    except DeadLetterNotFound as error:
        return _failed(letter_id, error)
    if letter.resolution is not None:
        return {"id": letter_id, "result": f"already {letter.resolution}", "event_id": letter.event_id}
    try:
        event = ViewEvent.parse(payload if payload is not None else _payload(letter))
    except InvalidViewEvent as error:
        return _failed(letter_id, f"not a valid event; correct it and replay with --payload FILE: {error}")
    if letter.event_id is not None and event.key != (letter.reporting_system, letter.event_id):
        return _failed(letter_id, "the payload's reportingSystem or eventId is another than the letter's")
    receipt = queue.enqueue(event, lane=Lane(lane), replay_of=letter_id)
    # Somebody else may have replayed it at the same moment: the event key lets one of the two count.
    with suppress(AlreadyResolved):
        ledger.mark_replayed(letter_id, by, datetime.now(UTC))
    return {
        "id": letter_id,
        "result": "replayed",
        "event_id": receipt.event_id,
        "message_id": receipt.message_id,
    }


def _payload(letter: DeadLetter) -> Any:
    """The event a letter holds; one without an event key may hold an event after all (read by a newer worker)."""
    payload = letter.payload
    if letter.event_id is not None or not isinstance(payload, str):
        return payload
    from gong_views.message import UnreadableMessage, parse

    try:
        return parse(payload).event
    except UnreadableMessage:
        pass
    try:
        return json.loads(payload)
    except ValueError:
        return payload


def discard(ledger: Ledger, ids: list[int], *, by: str) -> list[dict[str, Any]]:
    """Mark letters as let go; their payloads are deleted."""
    results = []
    for letter_id in ids:
        try:
            ledger.mark_discarded(letter_id, by, datetime.now(UTC))
        except DeadLetterNotFound as error:
            results.append(_failed(letter_id, error))
        except AlreadyResolved as error:
            results.append({"id": letter_id, "result": str(error)})
        else:
            results.append({"id": letter_id, "result": "discarded"})
    return results


def _failed(letter_id: int, error: object) -> dict[str, Any]:
    return {"id": letter_id, "result": "failed", "error": str(error)}


def _without_payload(letter: dict[str, Any]) -> dict[str, Any]:
    letter.pop("payload", None)
    return letter
