"""What operators and the gate read."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.ledger import FinalCounts, Ledger, LedgerRefused, ReconciliationSnapshot
from gong_worker.ledger.models import DELIVERIES
from gong_worker.ledger.transactions import writing
from tests.integration.ledger.support import (
    LEASE_SECONDS,
    START,
    at,
    claimed,
    dead_letter_event,
    deliver,
    facts,
    message,
    result,
)

DAY = START.date()


def test_counts_of_an_empty_ledger(ledger: Ledger) -> None:
    """Every number is there, and zero."""
    assert ledger.counts() == {
        "sending": 0, "waiting": 0, "delivered": 0, "dead": 0, "duplicates": 0, "dead_letters_open": 0,
    }  # fmt: skip
    assert ledger.reconciliation_snapshot() == ReconciliationSnapshot({}, {}, {}, {})
    assert ledger.event("event-1") == []


def test_events_by_id_and_system(ledger: Ledger) -> None:
    """The same id in two systems is two events; naming the system picks one."""
    for system in ("b", "a"):
        claimed(ledger, system, key=EventKey(system, "event-1"))
    assert [event.reporting_system for event in ledger.event("event-1")] == ["a", "b"]
    assert [event.message_id for event in ledger.event("event-1", "b")] == ["b"]


def test_calls_per_minute(ledger: Ledger) -> None:
    """Calls by minute in UTC: in flight and interrupted ones count, what never left this machine does not."""
    for number, (seconds, outcome) in enumerate(
        [(-3700, "delivered"), (0, "delivered"), (59, "throttled"), (60, None), (61, "unreachable")]
    ):
        claim = claimed(ledger, f"m{number}", seconds, key=EventKey("crm", f"e{number}"))
        call = ledger.begin_attempt(claim, now=at(seconds))
        if outcome:
            ledger.defer(
                claim, call, result(outcome, seconds), now=at(seconds), next_attempt_at=at(999), spent=True
            )
    assert ledger.calls_per_minute(START - timedelta(days=1)) == [
        (datetime(2026, 3, 1, 10, 58, tzinfo=UTC), 1), (at(0), 2), (at(60), 1),
    ]  # fmt: skip
    assert ledger.calls_per_minute(at(30).astimezone(timezone(timedelta(hours=5.5)))) == [
        (at(0), 1),
        (at(60), 1),
    ]
    # A row without an outcome may still wait for its slot.
    assert ledger.calls_per_minute(at(30), open_until=at(59)) == [(at(0), 1)]


def test_ends_by_lane_and_day_of_enqueue(ledger: Ledger) -> None:
    """A message is booked on the UTC day on which it was enqueued, wherever the producer's clock stood."""
    west = datetime(2026, 2, 28, 23, 30, tzinfo=timezone(timedelta(hours=-8)))
    brought = replace(message("m1", lane=Lane.BULK), enqueued_at=west)
    answer = ledger.claim(EventKey("crm", "x"), brought, facts(), now=START, lease_seconds=LEASE_SECONDS)
    assert ledger.unsettled() == {(Lane.BULK, date(2026, 3, 1)): 1}
    deliver(ledger, answer.claim)  # type: ignore[union-attr]
    dead_letter_event(ledger, claimed(ledger, "m2"))
    dead_letter_event(ledger, claimed(ledger, "m3", key=EventKey("crm", "event-2")))
    ledger.mark_discarded([2], "ops", at(1))
    ledger.mark_replayed([1], "ops", at(1))
    assert ledger.final_counts() == {
        (Lane.BULK, date(2026, 3, 1)): FinalCounts(accepted=1),
        (Lane.LIVE, DAY): FinalCounts(dead=1, discarded=1),
    }
    assert ledger.unsettled() == {}


def test_the_intake_mirror_never_goes_down(ledger: Ledger) -> None:
    """A stale count changes nothing; each life of Redis adds to the others."""
    ledger.mirror_enqueue_counts("first", {(Lane.LIVE, DAY): 5, (Lane.BULK, DAY): 1})
    ledger.mirror_enqueue_counts("first", {(Lane.LIVE, DAY): 3})
    ledger.mirror_enqueue_counts("second", {(Lane.LIVE, DAY): 2})
    ledger.mirror_enqueue_counts("third", {})
    counts = ledger.reconciliation_snapshot().enqueue_counts
    assert counts == {(Lane.LIVE, DAY): 7, (Lane.BULK, DAY): 1}


def test_a_time_without_an_offset_is_refused(ledger: Ledger) -> None:
    """Nobody knows what a naive time means, so it never gets in."""
    naive = START.replace(tzinfo=None)
    with pytest.raises(ValueError, match="offset"):
        ledger.claim(EventKey("a", "b"), message("m1"), facts(), now=naive, lease_seconds=1)
    with pytest.raises(ValueError, match="offset"):
        ledger.begin_attempt(claimed(ledger, "m1"), now=naive)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_the_edges_of_the_calendar(ledger: Ledger, moment: str) -> None:
    """An event's own time may be absurd; it is stored as near as the calendar allows."""
    when = replace(facts(), event_timestamp=datetime.fromisoformat(moment))
    ledger.claim(EventKey("a", "b"), message("m1"), when, now=START, lease_seconds=1)
    assert ledger.event("b")[0].event_timestamp.year in (1, 9999)


def test_a_refused_value_is_not_quoted(ledger: Ledger) -> None:
    """What the database refuses is this program's fault, and the error has nothing of the row in it."""
    claimed(ledger, "m1")
    with pytest.raises(LedgerRefused) as caught, writing(ledger.engine) as connection:
        values = {
            "resolution": "accepted",
            "source": "x@example.com",
        }  # only a delivered event has a resolution
        connection.execute(sa.update(DELIVERIES).values(values))
    assert "example.com" not in str(caught.value) and caught.value.__suppress_context__
    assert ledger.event("event-1")[0].status == "sending"
