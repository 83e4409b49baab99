"""The events of the demo and the trouble that awaits them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gong_worker.simulator import SimulatorClient

SYSTEM = "gong-views-demo"
REFUSED_PREFIX = "refused-"
FIRST_VIEW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

GOOD, DUPLICATES, REFUSED, LOST, SERVER_ERRORS = 300, 40, 8, 3, 5
RETRY_AFTER_SECONDS = 2


def view(number: int, content: str = "guide-") -> dict[str, Any]:
    """One event, as a backend would hand it over."""
    return {
        "reportingSystem": SYSTEM,
        "eventId": f"view-{number:04d}",
        "eventTimestamp": (FIRST_VIEW + timedelta(seconds=number)).isoformat(),
        "contentId": f"{content}{number % 12}",
        "contentUrl": f"https://content.example/{content}{number % 12}",
        "contentTitle": f"Guide {number % 12}",
        "viewer": {"email": f"reader{number}@customer.example", "name": f"Reader {number}"},
    }


def good() -> list[dict[str, Any]]:
    """Events that Gong will take."""
    return [view(number) for number in range(GOOD)]


def duplicates() -> list[dict[str, Any]]:
    """The same events once more, as a backend that retries would send them."""
    return [view(number) for number in range(0, GOOD, GOOD // DUPLICATES)][:DUPLICATES]


def refused() -> list[dict[str, Any]]:
    """Valid events that Gong will refuse."""
    return [view(1000 + number, REFUSED_PREFIX) for number in range(REFUSED)]


def invalid() -> list[dict[str, Any]]:
    """What the library refuses before it costs a call."""
    naive = view(2001) | {"eventTimestamp": "2026-01-05T09:00:00"}
    both = view(2002) | {"trackingId": "t-1"}
    unknown = view(2003) | {"contentTitel": "a slip of the pen"}
    missing = view(2004)
    del missing["contentUrl"]
    return [naive, both, unknown, missing]


def prepare(simulator: SimulatorClient) -> list[str]:
    """Put the trouble in place; says what it is."""
    simulator.fault(
        "reject", times=None, match={"contentIdPrefix": REFUSED_PREFIX}, errors=["contentId is unknown"]
    )
    simulator.fault("status", status=429, skip=60, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    simulator.fault("status", status=500, skip=120, times=SERVER_ERRORS)
    simulator.fault("lost_reply", skip=200, times=LOST)
    return [
        f"{REFUSED} events that Gong refuses (400)",
        f"one 429 with Retry-After: {RETRY_AFTER_SECONDS}",
        f"a burst of {SERVER_ERRORS} answers 500",
        f"{LOST} events that Gong takes while its reply is lost",
    ]
