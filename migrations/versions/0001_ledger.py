"""The ledger: deliveries, attempts, dead letters, duplicates, intake, and the dashboards' views."""

# ruff: noqa: S608 (nothing in these statements comes from outside)

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ONCE = "event_id IS NULL AND (resolution IS NULL OR resolution <> 'replayed')"
VIEWS = ("outcomes_hourly", "dead_letter_reasons", "latency_hourly", "calls_daily")


def _moment(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _event_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["event_id", "reporting_system"],
        ["deliveries.event_id", "deliveries.reporting_system"],
        name=f"fk_{table}_deliveries",
    )


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("reporting_system", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("resolution", sa.String(32)),
        sa.Column("request_id", sa.Text),
        sa.Column("integration_id", sa.BigInteger),
        sa.Column("attempt_count", sa.Integer, nullable=False),
        sa.Column("duplicate_count", sa.Integer, nullable=False),
        _moment("first_seen_at"),
        _moment("enqueued_at"),
        _moment("updated_at"),
        _moment("settled_at", nullable=True),
        _moment("next_attempt_at", nullable=True),
        _moment("lease_expires_at", nullable=True),
        sa.Column("claim_token", sa.String(32)),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("content_id", sa.Text, nullable=False),
        _moment("event_timestamp"),
        sa.Column("payload_sha256", sa.String(64), nullable=False),
        # The event id comes first: one index serves the key and the search for an event id alone.
        sa.PrimaryKeyConstraint("event_id", "reporting_system", name="pk_deliveries"),
        sa.CheckConstraint(
            "status IN ('sending', 'waiting', 'delivered', 'dead')", name=op.f("ck_deliveries_status")
        ),
        sa.CheckConstraint(
            "(status = 'sending') = (claim_token IS NOT NULL AND lease_expires_at IS NOT NULL)",
            name=op.f("ck_deliveries_claim"),
        ),
        sa.CheckConstraint(
            "(status = 'delivered') = (resolution IS NOT NULL)", name=op.f("ck_deliveries_resolution")
        ),
    )
    op.create_index("ix_deliveries_status", "deliveries", ["status", "lane", "enqueued_at", "resolution"])
    op.create_table(
        "attempts",
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("reporting_system", sa.Text, nullable=False),
        sa.Column("attempt_number", sa.Integer, nullable=False),
        sa.Column("claim_token", sa.String(32), nullable=False),
        _moment("started_at"),
        sa.Column("duration_ms", sa.BigInteger),
        sa.Column("outcome", sa.String(32)),
        sa.Column("http_status", sa.Integer),
        sa.Column("request_id", sa.Text),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("event_id", "reporting_system", "attempt_number", name="pk_attempts"),
        _event_key("attempts"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("reporting_system", sa.Text),
        sa.Column("event_id", sa.Text),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("source", sa.Text),
        _moment("enqueued_at"),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("http_status", sa.Integer),
        sa.Column("request_id", sa.Text),
        sa.Column("errors", sa.Text, nullable=False),
        sa.Column("payload", sa.Text),
        _moment("created_at"),
        sa.Column("resolution", sa.String(32)),
        _moment("resolved_at", nullable=True),
        sa.Column("resolved_by", sa.Text),
        sa.CheckConstraint(
            "reason IN ('rejected', 'exhausted', 'invalid', 'unreadable')",
            name=op.f("ck_dead_letters_reason"),
        ),
        sa.CheckConstraint(
            "resolution IN ('replayed', 'discarded', 'superseded')", name=op.f("ck_dead_letters_resolution")
        ),
        _event_key("dead_letters"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dead_letters_event", "dead_letters", ["event_id", "reporting_system"])
    op.create_index("ix_dead_letters_message", "dead_letters", ["message_id"])
    for name, column, unique, where in (
        ("ix_dead_letters_open", "id", False, sa.text("resolution IS NULL")),
        ("uq_dead_letters_message", "message_id", True, sa.text(ONCE)),
    ):
        op.create_index(
            name, "dead_letters", [column], unique=unique, sqlite_where=where, postgresql_where=where
        )
    op.create_table(
        "duplicates",
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("reporting_system", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("source", sa.Text),
        _moment("enqueued_at"),
        _moment("seen_at"),
        sa.PrimaryKeyConstraint("message_id", name="pk_duplicates"),
        _event_key("duplicates"),
    )
    op.create_table(
        "intake",
        sa.Column("generation", sa.Text, nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("message_count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("generation", "lane", "day", name="pk_intake"),
    )
    _create_views()


def _create_views() -> None:
    """Each view's time column is an indexed expression, so that a condition on it reads that part only."""
    if op.get_bind().dialect.name == "postgresql":

        def hour(column: str) -> str:
            return f"(date_trunc('hour', {column} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')"

        def day(column: str) -> str:
            return f"CAST({column} AT TIME ZONE 'UTC' AS date)"

        seconds = "CAST(extract(epoch FROM settled_at - enqueued_at) AS double precision)"
    else:

        def hour(column: str) -> str:
            return f"(substr({column}, 1, 13) || ':00:00')"

        def day(column: str) -> str:
            return f"substr({column}, 1, 10)"

        seconds = "(julianday(settled_at) - julianday(enqueued_at)) * 86400.0"

    for statement in (
        f"CREATE INDEX ix_deliveries_settled_hour ON deliveries ({_expression(hour('settled_at'))}, lane)"
        " WHERE resolution IS NOT NULL",
        f"CREATE INDEX ix_attempts_started_hour ON attempts ({_expression(hour('started_at'))}, outcome)",
        f"CREATE INDEX ix_attempts_started_day ON attempts ({_expression(day('started_at'))}, outcome)",
        f"CREATE INDEX ix_dead_letters_created_day ON dead_letters ({_expression(day('created_at'))})",
        f"""
        CREATE VIEW outcomes_hourly AS
        SELECT {hour("started_at")} AS hour,
               coalesce(outcome, 'in_flight') AS outcome,
               count(*) AS attempts,
               avg(CAST(duration_ms AS double precision)) AS avg_duration_ms,
               max(duration_ms) AS max_duration_ms
          FROM attempts
         GROUP BY {hour("started_at")}, coalesce(outcome, 'in_flight')
        """,
        f"""
        CREATE VIEW calls_daily AS
        SELECT {day("started_at")} AS day,
               count(*) AS calls,
               sum(CASE WHEN outcome = 'delivered' THEN 1 ELSE 0 END) AS delivered,
               sum(CASE WHEN outcome = 'already_reported' THEN 1 ELSE 0 END) AS already_reported,
               sum(CASE WHEN outcome = 'throttled' THEN 1 ELSE 0 END) AS throttled,
               sum(CASE WHEN outcome NOT IN ('delivered', 'already_reported', 'throttled') THEN 1 ELSE 0 END)
                   AS failed,
               sum(CASE WHEN outcome IS NULL THEN 1 ELSE 0 END) AS in_flight
          FROM attempts
         WHERE outcome IS NULL OR outcome <> 'unreachable'
         GROUP BY {day("started_at")}
        """,
        f"""
        CREATE VIEW dead_letter_reasons AS
        SELECT {day("created_at")} AS day,
               reason,
               count(*) AS letters,
               sum(CASE WHEN resolution IS NULL THEN 1 ELSE 0 END) AS open,
               sum(CASE WHEN resolution = 'replayed' THEN 1 ELSE 0 END) AS replayed,
               sum(CASE WHEN resolution = 'discarded' THEN 1 ELSE 0 END) AS discarded,
               sum(CASE WHEN resolution = 'superseded' THEN 1 ELSE 0 END) AS superseded
          FROM dead_letters
         GROUP BY {day("created_at")}, reason
        """,
        # The same rank on both dialects: the smallest value that p percent of the values do not exceed. Window
        # functions throughout: SQLite carries a condition on the hour through those, not through two groupings.
        # And no `status = 'delivered'`, for which it would rather read the index on the status.
        f"""
        CREATE VIEW latency_hourly AS
        SELECT hour, lane, total AS delivered, avg_seconds, p50_seconds, p95_seconds, max_seconds
          FROM (SELECT hour,
                       lane,
                       place,
                       total,
                       avg(seconds) OVER (PARTITION BY hour, lane) AS avg_seconds,
                       max(CASE WHEN place = (total * 50 + 99) / 100 THEN seconds END)
                           OVER (PARTITION BY hour, lane) AS p50_seconds,
                       max(CASE WHEN place = (total * 95 + 99) / 100 THEN seconds END)
                           OVER (PARTITION BY hour, lane) AS p95_seconds,
                       max(seconds) OVER (PARTITION BY hour, lane) AS max_seconds
                  FROM (SELECT {hour("settled_at")} AS hour,
                               lane,
                               {seconds} AS seconds,
                               row_number() OVER (
                                   PARTITION BY {hour("settled_at")}, lane ORDER BY {seconds}
                               ) AS place,
                               count(*) OVER (PARTITION BY {hour("settled_at")}, lane) AS total
                          FROM deliveries
                         WHERE resolution IS NOT NULL) AS ranked) AS measured
         WHERE place = 1
        """,
    ):
        op.execute(statement)


def _expression(sql: str) -> str:
    """An indexed expression that is not a plain function call needs parentheses of its own."""
    return f"({sql})"


def downgrade() -> None:
    for view in VIEWS:
        op.execute(f"DROP VIEW {view}")
    for table in ("intake", "duplicates", "dead_letters", "attempts", "deliveries"):
        op.drop_table(table)
