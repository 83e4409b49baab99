"""The dashboards' views: the same numbers on both databases, and a day costs a day."""

from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from gong_views import EventKey
from gong_worker.ledger import Ledger
from gong_worker.ledger.buckets import parsed
from tests.integration.ledger.support import at, claimed, dead_letter_event, defer, deliver


def rows(ledger: Ledger, query: str) -> list[dict[str, Any]]:
    """Rows with times as datetimes and numbers as floats or ints, whatever the dialect gives."""
    with ledger.engine.connect() as connection:
        return [
            {name: parsed(value) if name in ("hour", "day") else value for name, value in row.items()}
            for row in connection.execute(sa.text(query)).mappings()
        ]


def fill(ledger: Ledger) -> None:
    """Twenty deliveries that took 1 to 20 s, a death, a retry, and one next hour."""
    for number in range(1, 21):
        deliver(ledger, claimed(ledger, f"m{number}", key=EventKey("crm", f"e{number}")), number)
    dead_letter_event(ledger, claimed(ledger, "dead"), 30)
    defer(ledger, claimed(ledger, "later", key=EventKey("crm", "later")), 31, 40)
    deliver(ledger, claimed(ledger, "later", 3600, key=EventKey("crm", "later")), 3601)
    ledger.begin_attempt(claimed(ledger, "open", 3602, key=EventKey("crm", "open")), now=at(3602))


def test_outcomes_hourly(ledger: Ledger) -> None:
    """Calls by the hour in which they began, and how they went."""
    fill(ledger)
    found = rows(ledger, "SELECT * FROM outcomes_hourly ORDER BY hour, outcome")
    assert [(row["hour"], row["outcome"], row["attempts"]) for row in found] == [
        (at(0), "delivered", 20), (at(0), "rejected", 1), (at(0), "server_error", 1),
        (at(3600), "delivered", 1), (at(3600), "in_flight", 1),
    ]  # fmt: skip
    assert (found[0]["avg_duration_ms"], found[0]["max_duration_ms"]) == (120.0, 120)
    assert found[4]["avg_duration_ms"] is None


def test_latency_hourly(ledger: Ledger) -> None:
    """From enqueue to delivery, by the hour of delivery: a percentile is a value that occurred, at most 10 % above."""
    fill(ledger)
    first, second = rows(ledger, "SELECT * FROM latency_hourly ORDER BY hour")
    assert {name: round(value, 2) for name, value in first.items() if name.endswith("_seconds")} == {
        "avg_seconds": 10.5, "p50_seconds": 10, "p95_seconds": 20, "max_seconds": 20,
    }  # fmt: skip
    assert (first["hour"], first["lane"], first["delivered"]) == (at(0), "live", 20)
    assert (second["delivered"], round(second["p95_seconds"])) == (1, 3601)


def test_calls_daily(ledger: Ledger) -> None:
    """What was spent of the day's budget, and on what."""
    fill(ledger)
    (row,) = rows(ledger, "SELECT * FROM calls_daily")
    assert row.pop("day").date() == date(2026, 3, 1)
    assert row == {
        "calls": 24, "delivered": 21, "already_reported": 0, "throttled": 0, "failed": 2, "in_flight": 1,
    }  # fmt: skip


def test_dead_letter_reasons(ledger: Ledger) -> None:
    """Letters by day and reason, and what became of them."""
    fill(ledger)
    ledger.mark_discarded([1], "ops", at(99))
    (row,) = rows(ledger, "SELECT * FROM dead_letter_reasons")
    del row["day"]
    assert row == {
        "reason": "rejected", "letters": 1, "open": 0, "replayed": 0, "discarded": 1, "superseded": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("view", "column", "table"),
    [
        ("outcomes_hourly", "hour", "call_counts"),
        ("answers_hourly", "hour", "call_counts"),
        ("latency_hourly", "hour", "latency_counts"),
        ("calls_daily", "day", "call_counts"),
        ("dead_letter_reasons", "day", "dead_letter_counts"),
        ("deliveries_daily", "day", "message_counts"),
    ],
)
def test_a_condition_on_the_time_reaches_the_index(
    ledger: Ledger, view: str, column: str, table: str
) -> None:
    """A dashboard of the last day reads that day's counters only, also while the database has no statistics."""
    since = "2026-03-01 00:00:00" if column == "hour" else "2026-03-01"
    index = "ix_call_counts_day" if view == "calls_daily" else f"pk_{table}"
    with ledger.engine.connect() as connection:
        explain = "EXPLAIN QUERY PLAN"
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SET enable_seqscan = off"))  # the tables are empty
            explain = "EXPLAIN"
        else:
            index = (
                "INDEX ix_call_counts_day (<expr>>" if view == "calls_daily" else f"PRIMARY KEY ({column}>"
            )
            index = f"SEARCH {table} USING {index}"
        plan = connection.execute(
            sa.text(f"{explain} SELECT * FROM {view} WHERE {column} >= '{since}'")
        ).all()
    assert index in str(plan), plan
