"""Enqueue from a script: one event, then many."""

from gong_views import InvalidViewEvent, QueueUnavailable, ViewQueue


def view(number: int, **fields: object) -> dict[str, object]:
    return {
        "reportingSystem": "content-hub",
        "eventId": f"view-{number}",  # the same view always has the same id: a repeat is no second view
        "eventTimestamp": "2026-07-01T12:34:56Z",
        "contentId": "deck-42",
        "contentUrl": "https://content.example/decks/42",
        "contentTitle": "Pricing overview",
        "viewer": {"email": "dana@globex.example"},
        **fields,
    }


with ViewQueue(source="script") as queue:
    try:
        receipt = queue.enqueue(view(1))  # returns when Redis has it
        result = queue.enqueue_many((view(number) for number in range(2, 1000)), lane="bulk")
    except QueueUnavailable as error:
        raise SystemExit(f"{error} ({error.reason}); run this again, a repeat is harmless") from None
    print(f"{receipt.event_id} is on the queue, and {len(result.accepted)} more")

    try:
        queue.enqueue(view(1000, viewer={"mail": "dana@globex.example"}))
    except InvalidViewEvent as error:
        print(error)  # viewer.mail: is not a field; did you mean email?
