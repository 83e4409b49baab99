"""The counters say what the rows say: after any write by anyone, after an upgrade, and after a mend."""

import contextlib
import itertools
import threading
import time
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.domain.states import DeadLetterReason, Resolution
from gong_worker.ledger import Claimed, FinalCounts, Ledger, LedgerUnavailable, migrate, open_engine
from gong_worker.ledger.schema import COMMITTED_ALONE, downgrade
from tests.integration.ledger.support import (
    LEASE_SECONDS,
    at,
    claimed,
    dead_letter_event,
    defer,
    deliver,
    facts,
    message,
    open_ids,
    result,
    stored,
)

BEFORE = "0004"
ADD, DROP = "ADD COLUMN erased_at TIMESTAMP", "DROP COLUMN erased_at"
TODAY, TOMORROW = date(2026, 3, 1), date(2026, 3, 2)
DAY = 86_400.0


def key(name: str) -> EventKey:
    return EventKey("crm", name)


def one_of_each(ledger: Ledger) -> None:
    """Events in every state, in two lanes and on two days, and a letter whose message had delivered after all."""
    for number in range(3):
        deliver(ledger, claimed(ledger, f"m{number}", key=key(f"e{number}")), 10 * number + 1)
    bulk = claimed(ledger, "bulk", DAY, key=key("bulk"), lane=Lane.BULK, enqueued=DAY)
    call = ledger.begin_attempt(bulk, now=at(DAY))
    ledger.complete(
        bulk, call, result("already_reported", DAY, 409), now=at(DAY), integration_id=None,
        resolution=Resolution.ALREADY_REPORTED,
    )  # fmt: skip
    assert ledger.claim(
        key("e1"), message("again", lane=Lane.BULK), bulk.facts, now=at(DAY), lease_seconds=LEASE_SECONDS
    )
    defer(ledger, claimed(ledger, "waits", key=key("waits")), 1, 40)
    ledger.begin_attempt(claimed(ledger, "open", 3_700, key=key("open")), now=at(3_700))
    dead_letter_event(ledger, claimed(ledger, "dies", key=key("dies")))
    dead_letter_event(ledger, claimed(ledger, "gone", key=key("gone")))
    ledger.mark_discarded(open_ids(ledger)[-1:], "ops", at(9))
    ledger.dead_letter_message(
        b"?", message("junk"), reason_text="unreadable", now=at(5), reason=DeadLetterReason.UNREADABLE
    )
    # Its lease ran out, the same message came to another worker and died there; then the first one's answer came.
    late = claimed(ledger, "late", key=key("late"))
    call = ledger.begin_attempt(late, now=at(1))
    dead_letter_event(ledger, claimed(ledger, "late", 100, key=key("late")), 101)
    deliver(ledger, late, 102, number=call)


def check_one_of_each(ledger: Ledger) -> None:
    assert ledger.miscounts() == []
    assert ledger.counts() == {
        "sending": 1, "waiting": 1, "delivered": 5, "dead": 2, "duplicates": 1, "dead_letters_open": 2,
    }  # fmt: skip
    assert ledger.final_counts() == {
        (Lane.LIVE, TODAY): FinalCounts(accepted=4, dead=2, discarded=1),
        (Lane.BULK, TODAY): FinalCounts(duplicates=1),
        (Lane.BULK, TOMORROW): FinalCounts(already_reported=1),
    }
    assert ledger.unsettled() == {(Lane.LIVE, TODAY): 2}


def test_what_is_counted_as_it_happens(ledger: Ledger) -> None:
    """Each state, each end of a message; a message that died and had delivered ended once, as delivered."""
    one_of_each(ledger)
    check_one_of_each(ledger)
    daily = "SELECT lane, accepted, already_reported, dead, duplicates FROM deliveries_daily"
    assert stored(ledger, f"{daily} WHERE day = '2026-03-01' ORDER BY lane") == [
        ("bulk", 0, 0, 0, 1),
        ("live", 4, 0, 2, 0),
    ]
    answers = "SELECT outcome, http_status, attempts FROM answers_hourly WHERE http_status IS NOT NULL"
    assert sorted(stored(ledger, answers)) == [
        ("already_reported", 409, 1), ("delivered", 200, 4), ("rejected", 400, 3), ("server_error", 500, 1),
    ]  # fmt: skip


VIEWS = {
    "outcomes_hourly": "hour, outcome, attempts, avg_duration_ms, max_duration_ms",
    "calls_daily": "day, calls, delivered, already_reported, throttled, failed, in_flight",
    "dead_letter_reasons": "day, reason, letters, open, replayed, discarded, superseded",
    "latency_hourly": "hour, lane, delivered, avg_seconds, max_seconds",
}


def dashboards(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    """All that the views say, but for percentiles; a float as far as SQLite's clock tells."""
    found = {}
    for view, columns in VIEWS.items():
        rows = stored(ledger, f"SELECT {columns} FROM {view} ORDER BY 1, 2")
        found[view] = [
            tuple(round(value, 2) if isinstance(value, float) else value for value in row) for row in rows
        ]
    return found


def later_column(ledger: Ledger, change: str) -> None:
    """What this version's code writes to a ledger of before needs a column that came after (0007)."""
    with ledger.engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE dead_letters {change}"))


def test_an_upgrade_counts_what_is_there(database_url: str) -> None:
    """Counters and views of an upgraded ledger say what the rows and the old views said; and so back again."""
    migrate(database_url, BEFORE)
    ledger = Ledger(open_engine(database_url))
    later_column(ledger, ADD)
    one_of_each(ledger)
    later_column(ledger, DROP)
    before = dashboards(ledger)
    rows = "SELECT event_id, status, settled_at FROM deliveries ORDER BY event_id"
    events = stored(ledger, rows)
    for _ in range(2):
        migrate(database_url)
        check_one_of_each(ledger)
        assert dashboards(ledger) == before
        assert stored(ledger, rows) == events
        downgrade(database_url, BEFORE)
        assert dashboards(ledger) == before
    deliver(ledger, claimed(ledger, "after", key=key("after")), 7)
    ledger.close()


def test_nothing_is_missed_while_workers_write(database_url: str) -> None:
    """Workers of the version before go on during the upgrade and after it; each of their changes is counted once."""
    migrate(database_url, BEFORE)
    ledger = Ledger(open_engine(database_url))
    delivered, stop = [0, 0, 0], threading.Event()

    def work(thread: int) -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            name = f"{thread}-{number}"
            with contextlib.suppress(LedgerUnavailable):  # it waited too long
                deliver(ledger, claimed(ledger, name, key=key(name)), thread + 1)
                delivered[thread] += 1

    def wait_for_more() -> None:
        goals, deadline = [number + 20 for number in delivered], time.monotonic() + 60
        while any(done < goal for done, goal in zip(delivered, goals, strict=True)):
            assert time.monotonic() < deadline and all(thread.is_alive() for thread in threads)
            stop.wait(0.01)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(delivered))]
    try:
        for thread in threads:
            thread.start()
        wait_for_more()
        migrate(database_url)
        wait_for_more()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert ledger.miscounts() == []
    assert ledger.counts()["delivered"] >= sum(delivered)
    ledger.close()


def test_an_upgrade_that_was_broken_off_goes_on(database_url: str) -> None:
    """Events written after the triggers were made and before the rest was counted are counted once."""
    migrate(database_url, BEFORE)
    ledger = Ledger(open_engine(database_url))
    later_column(ledger, ADD)
    deliver(ledger, claimed(ledger, "m1", key=key("e1")), 1)
    dead_letter_event(ledger, claimed(ledger, "dies", key=key("dies")))
    opens_again = message("again", replay_of=1)
    migrate(database_url, COMMITTED_ALONE)
    deliver(ledger, claimed(ledger, "m2", key=key("e2")), 2)
    assert isinstance(
        ledger.claim(key("dies"), opens_again, facts(), now=at(3), lease_seconds=LEASE_SECONDS), Claimed
    )
    counts = ledger.counts()
    assert (counts["delivered"], counts["dead"]) == (1, -1), "what was there before is not counted yet"
    later_column(ledger, DROP)
    migrate(database_url)
    assert ledger.miscounts() == []
    counts = ledger.counts()
    assert (counts["delivered"], counts["dead"], counts["sending"]) == (2, 0, 1)
    ledger.close()


def test_wrong_counters_are_found_and_put_right(ledger: Ledger) -> None:
    """A recount tells each wrong key and by how much; just that is added, also when more was counted since."""
    one_of_each(ledger)
    with ledger.engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE message_counts SET accepted = accepted + 2 WHERE reporting_system = 'crm' AND lane = 'live'"
            )
        )
        connection.execute(sa.text("DELETE FROM dead_letter_counts"))
        connection.execute(
            sa.text("UPDATE call_counts SET duration_ms = duration_ms + 5 WHERE http_status = 409")
        )
    found = ledger.miscounts()
    assert [(wrong.table, wrong.missing) for wrong in found] == [
        ("message_counts", {"accepted": -2}),
        ("call_counts", {"duration_ms": -5}),
        ("dead_letter_counts", {"open": 1, "discarded": 1, "superseded": 1}),
        ("dead_letter_counts", {"open": 1}),
    ]
    assert found[0].key == {"day": TODAY, "lane": "live", "reporting_system": "crm"}
    deliver(ledger, claimed(ledger, "more", key=key("more")), 3)
    ledger.correct(found)
    assert ledger.miscounts() == []
    assert ledger.counts()["delivered"] == 6


def test_no_transaction_waits_for_anothers_counters(ledger: Ledger) -> None:
    """On PostgreSQL one that is open holds up nobody who counts for the same hour; and both are counted."""
    if ledger.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    claimed(ledger, "m1", key=key("e1"))
    with ledger.engine.connect() as connection, connection.begin():
        connection.execute(
            sa.text(
                "UPDATE deliveries SET status = 'delivered', resolution = 'accepted', settled_at = enqueued_at,"
                " claim_token = NULL, lease_expires_at = NULL"
            )
        )
        deliver(ledger, claimed(ledger, "m2", key=key("e2")), 2)
    assert ledger.miscounts() == []
    assert stored(ledger, "SELECT count(DISTINCT shard) FROM message_counts") == [(2,)]
