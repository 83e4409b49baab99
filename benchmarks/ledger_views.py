"""The ledger at 3 million events against 100,000: dashboards, status, reconcile, a delivery, and bytes on disk.

Usage: python benchmarks/ledger_views.py [ROWS] [FOLDER]   (default 3,000,000 events, a temporary folder)

The small one twice: once as dense as the large one, over its last days alone, so that only the size of the ledger
differs; and once over the same 300 days, so that a view's answer has as many rows while there is a thirtieth of the
events, and so of the counters, behind it. They are made on the schema of the release before by bulk SQL, with one
call an event and one death in a hundred, and brought up to date by the migration, whose time is printed.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import Resolution
from gong_worker.ledger import AttemptFacts, Claimed, EventFacts, Ledger, MessageRef, migrate, open_engine
from tests.support.servers import Postgres

SMALL = 100_000
DAYS = 300
END = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=DAYS)
RANGES = {"24 h": 1, "7 d": 7, "30 d": 30}
VIEWS = {
    "outcomes_hourly": "hour",
    "answers_hourly": "hour",
    "latency_hourly": "hour",
    "calls_daily": "day",
    "deliveries_daily": "day",
    "dead_letter_reasons": "day",
}
BEFORE = "0004"
DELIVERIES_MEASURED = 300

# The moment of event n, and the one of its end.
MOMENTS = {
    "sqlite": (
        "strftime('%Y-%m-%d %H:%M:%f', '{start}', (n * {step}) || ' seconds') || '000'",
        "strftime('%Y-%m-%d %H:%M:%f', '{start}', (n * {step} + {latency}) || ' seconds') || '000'",
    ),
    "postgresql": (
        "timestamptz '{start} 00:00Z' + n * {step} * interval '1 second'",
        "timestamptz '{start} 00:00Z' + (n * {step} + {latency}) * interval '1 second'",
    ),
}
# A live event takes 0.15 to 3 s; a bulk one waits for its turn, in each hour about as long as the others of it.
LATENCY = (
    "(CASE WHEN n % 3 = 1 THEN 600 + ((n / 400) % 24) * 300 + (n % 97) * 5"
    " ELSE 0.15 + (n % 19) * (n % 17) * 0.01 END)"
)
FILL = (
    """
    INSERT INTO deliveries (event_id, reporting_system, status, resolution, attempt_count, duplicate_count,
        first_seen_at, enqueued_at, updated_at, settled_at, message_id, lane, source, content_id, event_timestamp,
        payload_sha256, request_id, integration_id)
    SELECT 'event-' || n, CASE WHEN n % 3 = 0 THEN 'crm' ELSE 'content-portal' END,
           CASE WHEN n % 100 = 0 THEN 'dead' ELSE 'delivered' END,
           CASE WHEN n % 100 = 0 THEN NULL WHEN n % 50 = 1 THEN 'already_reported' ELSE 'accepted' END,
           1, 0, {at}, {at}, {end}, {end}, 'message-0000-0000-0000-' || n,
           CASE WHEN n % 3 = 1 THEN 'bulk' ELSE 'live' END, 'backend', 'doc-' || (n % 5000), {at},
           '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', '7f3a0b6e-' || n, 5517027188234205706
      FROM numbers""",
    """
    INSERT INTO attempts (event_id, reporting_system, attempt_number, claim_token, started_at, duration_ms, outcome,
        http_status, request_id)
    SELECT 'event-' || n, CASE WHEN n % 3 = 0 THEN 'crm' ELSE 'content-portal' END, 1,
           '0123456789abcdef0123456789abcdef', {end}, n % 500,
           CASE WHEN n % 100 = 0 THEN 'rejected' WHEN n % 50 = 1 THEN 'already_reported' ELSE 'delivered' END,
           CASE WHEN n % 100 = 0 THEN 400 WHEN n % 50 = 1 THEN 409 ELSE 201 END, '7f3a0b6e-' || n
      FROM numbers""",
    """
    INSERT INTO dead_letters (event_id, reporting_system, message_id, lane, enqueued_at, reason, errors, created_at,
        resolution)
    SELECT 'event-' || n, CASE WHEN n % 3 = 0 THEN 'crm' ELSE 'content-portal' END, 'message-0000-0000-0000-' || n,
           CASE WHEN n % 3 = 1 THEN 'bulk' ELSE 'live' END, {at}, 'rejected', '[]', {end},
           CASE WHEN n % 200 = 0 THEN 'discarded' END
      FROM numbers WHERE n % 100 = 0""",
)


def fill(engine: sa.Engine, rows: int, days: float) -> None:
    values = {
        "start": f"{END - timedelta(days=days):%Y-%m-%d}", "step": 86_400.0 * days / rows, "latency": LATENCY
    }  # fmt: skip
    at, end = (text.format(**values) for text in MOMENTS[engine.dialect.name])
    numbers = "WITH RECURSIVE numbers (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {last})"
    batch = 250_000
    for first in range(0, rows, batch):
        span = numbers.format(first=first, last=min(first + batch, rows))
        with engine.begin() as connection:
            for statement in FILL:
                head, _, rest = statement.partition("SELECT")
                query = f"{head} {span} SELECT {rest.format(at=at, end=end)}"
                connection.exec_driver_sql(query.replace("%", "%%") if engine.driver == "psycopg" else query)


def milliseconds(action: Callable[[], object], times: int = 5) -> float:
    """Median, after one that warms up."""
    action()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found)


def view_times(engine: sa.Engine) -> dict[str, float]:
    found = {}
    with engine.connect() as connection:
        for view, column in VIEWS.items():
            for name, days in RANGES.items():
                since = END - timedelta(days=days)
                value: object = since if column == "hour" else since.date()
                if engine.dialect.name == "sqlite":
                    value = str(value)[:19]
                query = sa.text(f"SELECT * FROM {view} WHERE {column} >= :since")
                found[f"{view} {name}"] = milliseconds(
                    lambda query=query, value=value: connection.execute(query, {"since": value}).all()
                )
    return found


def deliver(ledger: Ledger, name: str) -> None:
    """Claim, begin, record."""
    message = MessageRef(f"bench-{name}", Lane.LIVE, END, None, "backend")
    answer = ledger.claim(
        EventKey("crm", f"bench-{name}"), message, EventFacts("doc", END, "a" * 64), now=END, lease_seconds=60
    )
    assert isinstance(answer, Claimed)
    number = ledger.begin_attempt(answer.claim, now=END)
    call = AttemptFacts(AttemptOutcome.DELIVERED, 201, "request", None, 120, END)
    ledger.complete(
        answer.claim, number, call, now=END, resolution=Resolution.ACCEPTED, integration_id=7
    )  # fmt: skip


def delivery_ms(engine: sa.Engine) -> float:
    """Median of the whole of claim, begin and record, commits included."""
    ledger, names = Ledger(engine), iter(range(10_000))
    return milliseconds(lambda: deliver(ledger, str(next(names))), DELIVERIES_MEASURED)


def bytes_on_disk(engine: sa.Engine) -> dict[str, int]:
    """Of each table and index, without what is free inside a file."""
    if engine.dialect.name == "sqlite":
        query = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name"
    else:
        query = (
            "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relkind IN ('r', 'i')"
            " AND relnamespace = 'public'::regnamespace"
        )
    with engine.connect() as connection:
        return dict(connection.exec_driver_sql(query).all())


def prepare(url: str, rows: int, days: float) -> tuple[sa.Engine, dict[str, int]]:
    """A filled ledger of the present schema; and the bytes of the one before."""
    migrate(url, BEFORE)
    engine = open_engine(url, patient=True)
    began = time.perf_counter()
    fill(engine, rows, days)
    filled = time.perf_counter()
    vacuum(engine)
    before = bytes_on_disk(engine)
    migrating = time.perf_counter()
    migrate(url)
    print(
        f"{engine.dialect.name}: {rows:,} events of {days:g} days in {filled - began:.0f} s,"
        f" migrated in {time.perf_counter() - migrating:.1f} s",
        flush=True,
    )
    vacuum(engine)
    return engine, before


def vacuum(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def compare(new_url: Callable[[], str], rows: int) -> None:
    found = []
    dense_days = max(1, DAYS * SMALL // rows)
    for number, days in ((SMALL, dense_days), (SMALL, DAYS), (rows, DAYS)):
        engine, before = prepare(new_url(), number, days)
        found.append((measured(Ledger(engine)), before, bytes_on_disk(engine)))
        engine.dispose()
    (dense, *_), (sparse, *_), (big, before, after) = found
    heads = (f"{SMALL:,} dense", f"{SMALL:,} sparse", f"{rows:,}", "÷ dense", "÷ sparse")
    print(f"\n{engine.dialect.name:27}" + "".join(f"{head:>16}" for head in heads))
    for name, ms in big.items():
        span = RANGES.get(name.partition(" ")[2], 0)
        told = f"{dense[name]:.2f} ms", f"{ms / dense[name]:.2f}"
        at_all = told if span <= dense_days else ("–", "–")  # it has no more days
        cells = at_all[0], f"{sparse[name]:.2f} ms", f"{ms:.2f} ms", at_all[1], f"{ms / sparse[name]:.2f}"
        print(f"{name:27}" + "".join(f"{cell:>16}" for cell in cells))
    print(f"\nbytes an event on disk{'before':>22}{'now':>12}")
    for name in sorted(before | after, key=lambda name: -after.get(name, 0)):
        if max(before.get(name, 0), after.get(name, 0)) > rows / 10:
            print(f"{name:32}{before.get(name, 0) / rows:>12.1f}{after.get(name, 0) / rows:>12.1f}")
    print(f"{'all':32}{sum(before.values()) / rows:>12.1f}{sum(after.values()) / rows:>12.1f}")


def measured(ledger: Ledger) -> dict[str, float]:
    """Milliseconds of each question, and of a delivery, which changes the ledger and so comes last."""
    times = view_times(ledger.engine)
    times["status: counts"] = milliseconds(ledger.counts)
    times["reconcile: snapshot"] = milliseconds(ledger.reconciliation_snapshot)
    times["calls by minute, 24 h"] = milliseconds(lambda: ledger.calls_per_minute(END - timedelta(days=1)))
    began = time.perf_counter()
    assert ledger.miscounts() == []
    times["recount (--deep)"] = (time.perf_counter() - began) * 1000
    times["one delivery"] = delivery_ms(ledger.engine)
    return times


def main() -> None:
    rows = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 3_000_000
    parent = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(prefix="gong-views-bench-", dir=parent) as folder:
        names = iter(range(3))
        compare(lambda: f"sqlite:///{folder}/{next(names)}.db", rows)
        server = Postgres(Path(folder))
        try:
            compare(server.new_database, rows)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
