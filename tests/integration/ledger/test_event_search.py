"""Searching events, and following calls."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import Status
from gong_worker.ledger import (
    AttemptFilter,
    BadCursor,
    Claimed,
    EventFacts,
    EventFilter,
    Ledger,
    MessageRef,
    event_search,
)
from gong_worker.ledger.models import ATTEMPTS
from gong_worker.operations.events import search_events
from gong_worker.operations.tail import AttemptTail
from tests.integration.ledger.support import (
    LEASE_SECONDS,
    START,
    at,
    claimed,
    dead_letter_event,
    defer,
    deliver,
)


def _fill(ledger: Ledger, count: int = 24) -> None:
    """Events of two systems, lanes, sources and contents in every state, three to each moment."""
    for number in range(count):
        key = EventKey("crm" if number % 2 else "portal", f"view-{number:02}ü")
        lane = Lane.BULK if number % 3 == 0 else Lane.LIVE
        message = MessageRef(f"m{number}", lane, at(number // 3), None, f"shop-{number % 2}")
        facts = EventFacts(f"deck-{number % 5}", START, "a" * 64)
        answer = ledger.claim(key, message, facts, now=at(100 + number), lease_seconds=LEASE_SECONDS)
        assert isinstance(answer, Claimed)
        claim = answer.claim
        match number % 4:
            case 0:
                deliver(ledger, claim, 100 + number)
            case 1:
                dead_letter_event(ledger, claim, 100 + number)
            case 2:
                defer(ledger, claim, 100 + number, 999)


def _walk(ledger: Ledger, wanted: EventFilter, limit: int) -> list[str]:
    found: list[str] = []
    after = None
    for _ in range(200):
        page = ledger.search_events(wanted, limit=limit, after=after)
        assert len(page.events) <= limit
        found += [event.event_id for event in page.events]
        after = page.next
        if after is None:
            return found
    raise AssertionError("the pages have no end")


FILTERS: list[tuple[EventFilter, Callable[[Any], bool]]] = [
    (EventFilter(), lambda _: True),
    (EventFilter(event_id="view-07ü"), lambda one: one.event_id == "view-07ü"),
    (EventFilter(reporting_system="crm"), lambda one: one.reporting_system == "crm"),
    (EventFilter(content_id="deck-3"), lambda one: one.content_id == "deck-3"),
    (EventFilter(source="shop-1"), lambda one: one.source == "shop-1"),
    (EventFilter(lane=Lane.BULK), lambda one: one.lane is Lane.BULK),
    (EventFilter(status=Status.DEAD), lambda one: one.status is Status.DEAD),
    (EventFilter(request_id="request-1"), lambda one: one.status is not Status.SENDING),
    (EventFilter(request_id="unknown"), lambda _: False),
    (EventFilter(since=at(2), until=at(5)), lambda one: at(2) <= one.enqueued_at < at(5)),
    (
        EventFilter(status=Status.DELIVERED, lane=Lane.LIVE, reporting_system="portal", since=at(1)),
        lambda one: (
            one.status is Status.DELIVERED and one.lane is Lane.LIVE and one.reporting_system == "portal"
            and one.enqueued_at >= at(1)
        ),
    ),
]  # fmt: skip


def test_every_filter_by_pages_of_every_size(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of a filter hold each event it means once, the latest enqueued first, also when little is read a page."""
    _fill(ledger)
    everything = ledger.search_events(EventFilter(), limit=100).events
    assert len(everything) == 24 and [one.enqueued_at for one in everything] == sorted(
        (one.enqueued_at for one in everything), reverse=True
    )
    for scanned in (20_000, 1):
        monkeypatch.setattr(event_search, "SCANNED", scanned)
        for wanted, meant in FILTERS:
            expected = [one.event_id for one in everything if meant(one)]
            for limit in (1, 4, 100):
                assert _walk(ledger, wanted, limit) == expected, (scanned, wanted, limit)
    # As a use case: a full page however little is read at once, its total when it is all there is.
    page = search_events(ledger, EventFilter(content_id="deck-3"), limit=100)
    assert (page.total, page.next, len(page.events)) == (5, None, 5)
    short = search_events(ledger, EventFilter(source="shop-1"), limit=4)
    assert (short.total, len(short.events)) == (None, 4)
    # What the counters know is counted, however many there are.
    for wanted in (
        EventFilter(),
        EventFilter(status=Status.DELIVERED),
        EventFilter(lane=Lane.BULK, reporting_system="crm"),
        EventFilter(status=Status.SENDING, reporting_system="portal\x00"),
    ):
        expected = len(_walk(ledger, wanted, 100))
        assert search_events(ledger, wanted, limit=1).total == expected


@pytest.mark.parametrize("cursor", ["", "x", "W10", "WyJ4IiwiYSIsImIiXQ", "bnVsbA", "€"])
def test_a_foreign_cursor_is_refused(ledger: Ledger, cursor: str) -> None:
    """What is no cursor of ours is an error of the caller that repeats nothing of it."""
    with pytest.raises(BadCursor, match="pass the `next`"):
        ledger.search_events(EventFilter(), limit=1, after=cursor)


class _Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now


def _tail(ledger: Ledger, **wanted: Any) -> tuple[AttemptTail, _Clock]:
    clock = _Clock()
    return AttemptTail(ledger, AttemptFilter(**wanted), since=START, clock=clock), clock


def _told(tail: AttemptTail) -> list[tuple[str, str | None]]:
    return [(line.event_id, line.outcome) for line in tail.poll()]


def test_the_tail_tells_every_call_once(ledger: Ledger) -> None:
    """Calls that end are told once: those that began before, that take minutes, and whose outcome is corrected."""
    slow = claimed(ledger, "slow", -10, key=EventKey("crm", "slow"))
    number = ledger.begin_attempt(slow, now=at(-5))
    early = claimed(ledger, "early", -9, key=EventKey("crm", "early"))
    deliver(ledger, early, -8)
    tail, clock = _tail(ledger)
    assert _told(tail) == []
    deliver(ledger, claimed(ledger, "one", 1, key=EventKey("crm", "one")), 2)
    clock.now = at(3)
    assert _told(tail) == [("one", "delivered")]
    assert _told(tail) == []
    clock.now = at(500)
    assert _told(tail) == []
    # Another takes it over, which marks the call interrupted; then its own answer comes after all.
    claimed(ledger, "other", 501, key=EventKey("crm", "slow"))
    assert _told(tail) == [("slow", "interrupted")]
    deliver(ledger, slow, 502, number=number)
    clock.now = at(503)
    assert _told(tail) == [("slow", "delivered")]
    assert _told(tail) == []


def test_the_tail_misses_nothing_committed_late(ledger: Ledger) -> None:
    """A call whose row is committed under an earlier time than was told already is told too, and a long pause too."""
    for name in ("first", "late", "later"):
        claimed(ledger, name, 0, key=EventKey("crm", name))
    row = {
        "reporting_system": "crm", "claim_token": "t", "attempt_number": 1, "duration_ms": 5,
        "outcome": AttemptOutcome.DELIVERED, "http_status": 200,
    }  # fmt: skip
    tail, clock = _tail(ledger)
    with ledger.engine.begin() as connection:
        connection.execute(sa.insert(ATTEMPTS).values(row | {"event_id": "first", "started_at": at(40)}))
    clock.now = at(41)
    assert _told(tail) == [("first", "delivered")]
    with ledger.engine.begin() as connection:
        connection.execute(sa.insert(ATTEMPTS).values(row | {"event_id": "late", "started_at": at(1)}))
    clock.now = at(42)
    assert _told(tail) == [("late", "delivered")]
    # Redis's clock is set back, and nobody polls for ten minutes.
    with ledger.engine.begin() as connection:
        connection.execute(sa.insert(ATTEMPTS).values(row | {"event_id": "later", "started_at": at(-300)}))
    clock.now = at(-290)
    assert _told(tail) == [("later", "delivered")]
    clock.now = at(600)
    assert _told(tail) == []


def test_the_tail_by_filter(ledger: Ledger) -> None:
    """Only the calls that are meant are told, an outcome also when it is known later."""
    rejected, _ = _tail(ledger, outcome=AttemptOutcome.REJECTED)
    bulk, _ = _tail(ledger, lane=Lane.BULK)
    others, _ = _tail(ledger, reporting_system="portal", content_id="deck", source="shop")
    claim = claimed(ledger, "one")
    number = ledger.begin_attempt(claim, now=at(1))
    assert _told(rejected) == []
    dead_letter_event(ledger, claim, 2, number=number)
    deliver(ledger, claimed(ledger, "two", 3, key=EventKey("crm", "two"), lane=Lane.BULK), 4)
    assert _told(rejected) == [("event-1", "rejected")]
    assert _told(bulk) == [("two", "delivered")]
    assert _told(others) == []


def test_the_tail_goes_on_after_the_ledger_was_away(ledger: Ledger) -> None:
    """What was committed while no poll succeeded is told by the next one that does."""
    tail, clock = _tail(ledger)
    assert _told(tail) == []
    deliver(ledger, claimed(ledger, "one", 1, key=EventKey("crm", "one")), 2)
    clock.now = at(2) + timedelta(minutes=30)
    assert _told(tail) == [("one", "delivered")]
