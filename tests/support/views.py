"""Valid events in their wire form, for tests and benchmarks."""

import json
from typing import Any


def view(number: int = 0, **fields: Any) -> dict[str, Any]:
    """The smallest event, one of its own for each number; `fields` add or replace."""
    return {
        "reportingSystem": "content-hub",
        "eventId": f"view-{number}",
        "eventTimestamp": "2026-07-01T12:34:56Z",
        "contentId": f"deck-{number}",
        "contentUrl": f"https://content.example/decks/{number}",
        "contentTitle": "Pricing overview",
        "viewer": {"email": "dana@globex.example"},
        **fields,
    }


def sized_view(number: int = 0, size: int = 775) -> dict[str, Any]:
    """An event as backends send them, `size` bytes as compact JSON, its text not the same for each number."""
    event = view(
        number,
        eventTimestamp="2026-07-01T12:34:56.000Z",
        contentTitle="Enterprise pricing overview 2026",
        viewActionTitle="Document viewed",
        shareId=f"share-{number * 7919 % 100_003}",
        viewInfoUrl=f"https://content.example/decks/{number}/views/{number * 104_729 % 1_000_003}",
        viewer={"email": f"dana.{number}@globex.example", "name": "Dana Whitfield", "title": "Buyer"},
        sharer={"email": "sam.porter@acme.example", "name": "Sam Porter", "id": f"rep-{number % 91}"},
        userAgent="Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15",
        agentPlatform="MacOS",
    )
    missing = size - len(json.dumps(event, separators=(",", ":")))
    event["contentUrl"] += "?" + "".join(str((number + i * i) % 10) for i in range(missing - 1))
    return event
