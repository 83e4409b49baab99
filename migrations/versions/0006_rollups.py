"""Counts what the counters' triggers have not seen, and lets the dashboards' views read the counters.

Indexes that served only the views go: some 117 of 890 bytes an event.
"""

# ruff: noqa: S608 (nothing in these statements comes from outside)

import sqlalchemy as sa
from alembic import context, op

from gong_worker.ledger.schema import lock_tables

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
LOST = "the views answers_hourly and deliveries_daily; the others read every row again"

# By table of counters: its key, what is added up, what is the highest.
COUNTERS = {
    "message_counts": (
        ("day", "lane", "reporting_system"),
        ("accepted", "already_reported", "dead", "duplicates", "letters", "discarded"),
        (),
    ),
    "call_counts": (
        ("hour", "outcome", "http_status"), ("calls", "timed", "duration_ms"), ("max_duration_ms",)
    ),
    "latency_counts": (("hour", "lane", "bucket"), ("deliveries", "latency_ms"), ("max_latency_ms",)),
    "dead_letter_counts": (("day", "reason"), ("open", "replayed", "discarded", "superseded"), ()),
}  # fmt: skip
OLD_INDEXES = {
    "ix_deliveries_settled_hour": "deliveries",
    "ix_attempts_started_hour": "attempts",
    "ix_attempts_started_day": "attempts",
    "ix_dead_letters_created_day": "dead_letters",
}
VIEWS = ("outcomes_hourly", "dead_letter_reasons", "latency_hourly", "calls_daily")
NEW_VIEWS = ("deliveries_daily", "answers_hourly")


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    # First what takes long: on PostgreSQL it holds nobody up.
    for table, parts in COUNTERS.items():
        op.execute(_fill(table, *parts, postgres=postgres))
    if postgres:
        lock_tables(op.get_bind(), "deliveries", "attempts", "dead_letters")
    op.execute(f"CREATE INDEX ix_call_counts_day ON call_counts (({_day(postgres)}))")
    for view in VIEWS:
        op.execute(f"DROP VIEW {view}")
    for name, query in _views(postgres).items():
        op.execute(f"CREATE VIEW {name} AS {query}")
    for index, table in OLD_INDEXES.items():
        op.drop_index(index, table)
    in_flight = sa.text("outcome IS NULL")
    op.create_index(
        "ix_attempts_in_flight",
        "attempts",
        ["started_at"],
        sqlite_where=in_flight,
        postgresql_where=in_flight,
    )
    if postgres:
        for name, table, column in (
            ("ix_attempts_started", "attempts", "started_at"),
            ("ix_deliveries_settled", "deliveries", "settled_at"),
        ):
            op.execute(
                f"CREATE INDEX {name} ON {table} USING brin ({column})"
                " WITH (pages_per_range = 32, autosummarize = on)"
            )
        for table in COUNTERS:
            op.execute(f"ANALYZE {table}")
    else:
        op.create_index("ix_attempts_started", "attempts", ["started_at"])
        op.execute("PRAGMA analysis_limit = 1000")
        op.execute("ANALYZE")


def downgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        lock_tables(op.get_bind(), "deliveries", "attempts", "dead_letters")
    for view in (*VIEWS, *NEW_VIEWS):
        op.execute(f"DROP VIEW {view}")
    op.execute("DROP INDEX ix_attempts_started")
    op.execute("DROP INDEX ix_attempts_in_flight")
    op.execute("DROP INDEX ix_call_counts_day")
    if postgres:
        op.execute("DROP INDEX ix_deliveries_settled")
    # The views and indexes of 0001, as it made them.
    context.script.get_revision("0001").module._create_views()  # noqa: SLF001


def _fill(
    table: str, keys: tuple[str, ...], sums: tuple[str, ...], highest: tuple[str, ...], *, postgres: bool
) -> str:
    """Add what the rows themselves say beyond the counters: one statement, so one instant for both."""
    key = ", ".join(keys)
    columns = ", ".join((*sums, *highest))
    counted = ", ".join((*(f"-{name}" for name in sums), *("0" for _ in highest)))
    totals = ", ".join((*(f"sum({name})" for name in sums), *(f"max({name})" for name in highest)))
    larger = "greatest" if postgres else "max"
    shard = -1 if postgres else 0  # none of those that transactions take, so none waits for this one
    changes = ", ".join(
        (
            *(f"{name} = {table}.{name} + excluded.{name}" for name in sums),
            *(f"{name} = {larger}({table}.{name}, excluded.{name})" for name in highest),
        )
    )
    return f"""
        INSERT INTO {table} ({key}, shard, {columns})
        SELECT {key}, {shard}, {totals}
          FROM (SELECT {key}, {columns} FROM recounted_{table}
                UNION ALL SELECT {key}, {counted} FROM {table}) AS told
         GROUP BY {key}
        HAVING {" OR ".join(f"sum({name}) <> 0" for name in sums)}
            ON CONFLICT ({key}, shard) DO UPDATE SET {changes}"""


def _day(postgres: bool, moment: str = "hour") -> str:
    return f"CAST({moment} AT TIME ZONE 'UTC' AS date)" if postgres else f"substr({moment}, 1, 10)"


def _hour(postgres: bool, moment: str) -> str:
    return f"date_trunc('hour', {moment}, 'UTC')" if postgres else f"substr({moment}, 1, 13) || ':00:00'"


def _views(postgres: bool) -> dict[str, str]:
    day, started_hour = _day(postgres), _hour(postgres, "started_at")
    share = "sum(duration_ms) / CAST(nullif(sum(timed), 0) AS double precision)"
    return {
        "outcomes_hourly": f"""
            SELECT hour, outcome, CAST(sum(calls) AS bigint) AS attempts, {share} AS avg_duration_ms,
                   CASE WHEN sum(timed) > 0 THEN max(max_duration_ms) END AS max_duration_ms
              FROM call_counts GROUP BY hour, outcome HAVING sum(calls) <> 0
            UNION ALL
            SELECT {started_hour}, 'in_flight', count(*), NULL, NULL
              FROM attempts WHERE outcome IS NULL GROUP BY {started_hour}""",
        "answers_hourly": f"""
            SELECT hour, outcome, nullif(http_status, 0) AS http_status, CAST(sum(calls) AS bigint) AS attempts,
                   {share} AS avg_duration_ms,
                   CASE WHEN sum(timed) > 0 THEN max(max_duration_ms) END AS max_duration_ms
              FROM call_counts GROUP BY hour, outcome, http_status HAVING sum(calls) <> 0""",
        "calls_daily": f"""
            SELECT day, ended + in_flight AS calls, delivered, already_reported, throttled, failed, in_flight
              FROM (SELECT day, ended, delivered, already_reported, throttled, failed,
                           (SELECT count(*) FROM attempts
                             WHERE outcome IS NULL AND {_day(postgres, "started_at")} = counted.day) AS in_flight
                      FROM (SELECT {day} AS day, {_whole("calls", "ended")},
                                   {_whole("calls", "delivered", "outcome = 'delivered'")},
                                   {_whole("calls", "already_reported", "outcome = 'already_reported'")},
                                   {_whole("calls", "throttled", "outcome = 'throttled'")},
                                   {_whole("calls", "failed", FAILED)}
                              FROM call_counts WHERE outcome <> 'unreachable' GROUP BY {day}) AS counted) AS told
             WHERE ended + in_flight <> 0""",
        "dead_letter_reasons": f"""
            SELECT day, reason, {_whole("open + replayed + discarded + superseded", "letters")},
                   {", ".join(_whole(state) for state in COUNTERS["dead_letter_counts"][1])}
              FROM dead_letter_counts GROUP BY day, reason
            HAVING sum(open + replayed + discarded + superseded) <> 0""",
        "deliveries_daily": f"""
            SELECT day, lane, reporting_system, {", ".join(_whole(name) for name in EVENTS)}
              FROM message_counts GROUP BY day, lane, reporting_system
            HAVING sum({" + ".join(EVENTS)}) <> 0""",
        "latency_hourly": _latency_postgres() if postgres else _latency_sqlite(),
    }


def _latency_postgres() -> str:
    def needed(percent: int) -> str:
        return f"CASE WHEN so_far >= (total * {percent} + 99) / 100 THEN max_latency_ms END"

    def seconds(ms: str) -> str:
        return f"CAST({ms} AS double precision) / 1000"

    of_hour = "OVER (PARTITION BY hour, lane)"
    return f"""
        SELECT hour, lane, min(total) AS delivered, {seconds("sum(latency_ms)")} / min(total) AS avg_seconds,
               {seconds(f"min({needed(50)})")} AS p50_seconds, {seconds(f"min({needed(95)})")} AS p95_seconds,
               {seconds("max(max_latency_ms)")} AS max_seconds
          FROM (SELECT hour, lane, latency_ms, max_latency_ms,
                       CAST(sum(deliveries) OVER (PARTITION BY hour, lane ORDER BY bucket) AS bigint) AS so_far,
                       CAST(sum(deliveries) {of_hour} AS bigint) AS total
                  FROM (SELECT hour, lane, bucket, sum(deliveries) AS deliveries, sum(latency_ms) AS latency_ms,
                               max(max_latency_ms) AS max_latency_ms
                          FROM latency_counts GROUP BY hour, lane, bucket) AS merged) AS ranked
         GROUP BY hour, lane"""


def _latency_sqlite() -> str:
    """Carries a condition on the hour through one grouping, but not through two; and has one shard."""

    def percentile(percent: int) -> str:
        return f"""
            (SELECT min(max_latency_ms) / 1000.0
               FROM (SELECT max_latency_ms, sum(deliveries) OVER (ORDER BY bucket) AS so_far
                       FROM latency_counts WHERE hour = told.hour AND lane = told.lane)
              WHERE so_far >= (delivered * {percent} + 99) / 100)"""

    return f"""
        SELECT hour, lane, delivered, latency_ms / 1000.0 / delivered AS avg_seconds,
               {percentile(50)} AS p50_seconds, {percentile(95)} AS p95_seconds, max_latency_ms / 1000.0 AS max_seconds
          FROM (SELECT hour, lane, sum(deliveries) AS delivered, sum(latency_ms) AS latency_ms,
                       max(max_latency_ms) AS max_latency_ms
                  FROM latency_counts GROUP BY hour, lane) AS told"""


FAILED = "outcome NOT IN ('delivered', 'already_reported', 'throttled')"
EVENTS = ("accepted", "already_reported", "dead", "duplicates")


def _whole(value: str, name: str = "", condition: str = "") -> str:
    counted = f"CASE WHEN {condition} THEN {value} ELSE 0 END" if condition else value
    return f"CAST(sum({counted}) AS bigint) AS {name or value}"
