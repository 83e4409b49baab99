"""Short ways to make messages, events and results, on a clock of the test's own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import DeadLetterReason, Resolution
from gong_worker.ledger import (
    AlreadyHandled,
    AttemptFacts,
    Busy,
    Claim,
    Claimed,
    EventFacts,
    Ledger,
    MessageRef,
)

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = EventKey("crm", "event-1")
LEASE_SECONDS = 60.0
PAYLOAD = {"eventId": "event-1", "viewer": {"email": "someone@example.com"}}


def at(seconds: float) -> datetime:
    """A moment of the test's clock."""
    return START + timedelta(seconds=seconds)


def message(
    name: str, *, replay_of: int | None = None, lane: Lane = Lane.LIVE, enqueued: float = 0
) -> MessageRef:
    return MessageRef(name, lane, at(enqueued), replay_of, "test")


def facts(payload: str = "a") -> EventFacts:
    return EventFacts("doc-1", START, payload * 64)


def result(outcome: str, seconds: float = 0, http_status: int | None = None) -> AttemptFacts:
    return AttemptFacts(AttemptOutcome(outcome), http_status, "request-1", None, 120, at(seconds))


def ask(
    ledger: Ledger,
    name: str,
    seconds: float = 0,
    *,
    payload: str = "a",
    key: EventKey = KEY,
    **message_options: Any,
) -> Claimed | AlreadyHandled | Busy:
    """Claim the event for a message at a moment."""
    return ledger.claim(
        key, message(name, **message_options), facts(payload), now=at(seconds), lease_seconds=LEASE_SECONDS
    )


def claimed(ledger: Ledger, name: str, seconds: float = 0, **options: Any) -> Claim:
    """Claim it, and it must be given."""
    answer = ask(ledger, name, seconds, **options)
    assert isinstance(answer, Claimed), answer
    return answer.claim


def deliver(ledger: Ledger, claim: Claim, seconds: float = 0, *, number: int | None = None) -> bool:
    """Settle as accepted; begins the attempt unless one is given."""
    number = ledger.begin_attempt(claim, now=at(seconds)) if number is None else number
    return ledger.complete(
        claim,
        number,
        result("delivered", seconds, 200),
        now=at(seconds),
        resolution=Resolution.ACCEPTED,
        integration_id=5517027188234205706,
    )


def dead_letter_event(
    ledger: Ledger,
    claim: Claim,
    seconds: float = 0,
    *,
    number: int | None = None,
    payload: dict[str, Any] = PAYLOAD,
) -> bool:
    """Bury as rejected; begins the attempt unless one is given."""
    number = ledger.begin_attempt(claim, now=at(seconds)) if number is None else number
    return ledger.dead_letter_event(
        claim,
        number,
        result("rejected", seconds, 400),
        now=at(seconds),
        reason=DeadLetterReason.REJECTED,
        errors=["contentUrl is no URL"],
        payload=payload,
    )


def defer(ledger: Ledger, claim: Claim, seconds: float, until: float, *, spent: bool = True) -> bool:
    number = ledger.begin_attempt(claim, now=at(seconds))
    return ledger.defer(
        claim,
        number,
        result("server_error", seconds, 500),
        now=at(seconds),
        next_attempt_at=at(until),
        spent=spent,
    )


def status(ledger: Ledger, key: EventKey = KEY) -> str:
    return ledger.event(key.event_id, key.reporting_system)[0].status


def outcomes(ledger: Ledger, key: EventKey = KEY) -> list[str | None]:
    return [attempt.outcome for attempt in ledger.event(key.event_id, key.reporting_system)[0].attempts]


def ended(ledger: Ledger) -> int:
    """Messages that ended, over all lanes and days."""
    return sum(ends.total for ends in ledger.final_counts().values())


def stored(ledger: Ledger, query: str) -> list[tuple[Any, ...]]:
    """What the database itself holds."""
    with ledger.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def open_ids(ledger: Ledger) -> list[int]:
    """The numbers of the open letters, oldest first."""
    return [letter.id for letter in ledger.list_dead_letters(True, 1_000, 0)]
