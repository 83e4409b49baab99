"""The dashboards' views on a big ledger: the last 24 hours against the whole table, side by side.

Usage: python benchmarks/ledger_views.py [ROWS]   (default 1,000,000 deliveries, one attempt each)

Prints per database and view the time for the last day, the time for everything, and the ratio. The rows are
spread evenly over 100 days, so that a view which reads only what it is asked for is near 1:100.
"""

import statistics
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
import sqlalchemy.exc

from gong_worker.ledger import Ledger, migrate, open_engine
from tests.support.servers import Postgres

DAYS = 100
START = datetime(2026, 1, 1, tzinfo=UTC)
VIEWS = {
    "outcomes_hourly": "hour",
    "latency_hourly": "hour",
    "calls_daily": "day",
    "dead_letter_reasons": "day",
}
BATCH = 20_000


def fill(engine: sa.Engine, rows: int) -> None:
    """One delivered event, one attempt each; one in a hundred dead with a letter."""
    tables = sa.MetaData()
    warnings.simplefilter("ignore", sa.exc.SAWarning)  # SQLAlchemy cannot reflect an index on an expression
    tables.reflect(engine, only=["deliveries", "attempts", "dead_letters"])
    step = timedelta(days=DAYS) / rows
    for first in range(0, rows, BATCH):
        deliveries, attempts, letters = [], [], []
        for number in range(first, min(first + BATCH, rows)):
            moment = START + step * number
            if engine.dialect.name == "sqlite":
                moment = moment.replace(tzinfo=None)
            key = {"event_id": f"event-{number}", "reporting_system": "crm"}
            dead = number % 100 == 0
            message = {
                "message_id": f"m{number}",
                "lane": "bulk" if number % 3 else "live",
                "enqueued_at": moment,
            }
            deliveries.append(
                key | message | {
                    "status": "dead" if dead else "delivered", "resolution": None if dead else "accepted",
                    "attempt_count": 1, "duplicate_count": 0, "first_seen_at": moment, "updated_at": moment,
                    "settled_at": moment + timedelta(seconds=number % 97), "content_id": "doc",
                    "event_timestamp": moment, "payload_sha256": "a" * 64,
                }
            )  # fmt: skip
            attempts.append(
                key | {
                    "attempt_number": 1, "claim_token": "b" * 32, "started_at": moment, "duration_ms": number % 500,
                    "outcome": "rejected" if dead else "delivered", "http_status": 400 if dead else 200,
                }
            )  # fmt: skip
            if dead:
                letters.append(key | message | {"reason": "rejected", "errors": "[]", "created_at": moment})
        with engine.begin() as connection:
            connection.execute(sa.insert(tables.tables["deliveries"]), deliveries)
            connection.execute(sa.insert(tables.tables["attempts"]), attempts)
            connection.execute(sa.insert(tables.tables["dead_letters"]), letters)


def timed(engine: sa.Engine, query: str, **values: object) -> float:
    """Median of three, in seconds."""
    times = []
    with engine.connect() as connection:
        for _ in range(3):
            began = time.perf_counter()
            connection.execute(sa.text(query), values).all()
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def measure(url: str, rows: int) -> None:
    migrate(url)
    engine = open_engine(url, patient=True)
    name = engine.dialect.name
    began = time.perf_counter()
    fill(engine, rows)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE"))
        if name == "postgresql":
            connection.execute(sa.text("VACUUM"))
    print(f"\n{name}: {rows:,} deliveries in {time.perf_counter() - began:.0f} s")
    print(f"{'view':22}{'last 24 h':>12}{'everything':>12}{'ratio':>9}")
    for view, column in VIEWS.items():
        since: object = START + timedelta(days=DAYS - 1)
        if column == "day":
            since = since.date()  # type: ignore[attr-defined]
        if name == "sqlite":
            since = str(since)[:19]
        day = timed(engine, f"SELECT * FROM {view} WHERE {column} >= :since", since=since)
        everything = timed(engine, f"SELECT * FROM {view}")
        print(f"{view:22}{day * 1000:>9.1f} ms{everything * 1000:>9.0f} ms{f'1:{everything / day:.0f}':>9}")
    ledger = Ledger(engine)
    for what, read in (
        ("counts()", ledger.counts),
        ("ends()", ledger.final_counts),
        ("unsettled()", ledger.unsettled),
        ("calls_per_minute(24 h)", lambda: ledger.calls_per_minute(START + timedelta(days=DAYS - 1))),
    ):
        began = time.perf_counter()
        read()
        print(f"{what:22}{(time.perf_counter() - began) * 1000:>9.1f} ms")
    engine.dispose()


def main() -> None:
    rows = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="gong-views-bench-") as folder:
        measure(f"sqlite:///{folder}/ledger.db", rows)
        server = Postgres(Path(folder))
        try:
            measure(server.new_database(), rows)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
