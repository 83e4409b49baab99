"""Reasons `refused` and `dropped`, a normalised kind of error for each letter, and the audit of operators' actions."""

# ruff: noqa: S608 (nothing in these statements comes from outside)

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
LOST = "the record of operators' actions (the audit); dead letters `refused` and `dropped` become `rejected`"

REASONS = ("rejected", "exhausted", "invalid", "unreadable")
NEW_REASONS = (*REASONS, "refused", "dropped")
ONCE = "event_id IS NULL AND (resolution IS NULL OR resolution <> 'replayed')"
COLUMNS = (
    "id, reporting_system, event_id, message_id, lane, source, enqueued_at, reason, http_status, request_id,"
    " errors, payload, created_at, resolution, resolved_at, resolved_by"
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _set_reasons_postgres(NEW_REASONS)
        op.add_column("dead_letters", sa.Column("error_kind", sa.Text))
    else:
        _rebuild_sqlite(NEW_REASONS, error_kind=True)
    op.create_table(
        "operator_actions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("target", sa.Text),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("details", sa.Text),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """A letter with a reason that 0001 does not know becomes `rejected`: its state and payload stay."""
    op.drop_table("operator_actions")
    op.execute("UPDATE dead_letters SET reason = 'rejected' WHERE reason IN ('refused', 'dropped')")
    if op.get_bind().dialect.name == "postgresql":
        op.drop_column("dead_letters", "error_kind")
        _set_reasons_postgres(REASONS)
    else:
        _rebuild_sqlite(REASONS, error_kind=False)


def _check(reasons: tuple[str, ...]) -> str:
    return "reason IN ({})".format(", ".join(f"'{reason}'" for reason in reasons))


def _set_reasons_postgres(reasons: tuple[str, ...]) -> None:
    # Every row is known to satisfy it, so none has to be read while the table is locked: NOT VALID skips the
    # scan. New rows are checked either way.
    op.drop_constraint(op.f("ck_dead_letters_reason"), "dead_letters")
    op.execute(
        f"ALTER TABLE dead_letters ADD CONSTRAINT ck_dead_letters_reason CHECK ({_check(reasons)}) NOT VALID"
    )


def _rebuild_sqlite(reasons: tuple[str, ...], *, error_kind: bool) -> None:
    """SQLite cannot change a CHECK: a new table takes the rows over, then the name and the indexes."""
    view = op.get_bind().scalar(
        sa.text("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = 'dead_letter_reasons'")
    )
    op.execute("DROP VIEW dead_letter_reasons")  # a view on a table that is gone forbids the renaming
    op.create_table(
        "new_dead_letters",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("reporting_system", sa.Text),
        sa.Column("event_id", sa.Text),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("enqueued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("http_status", sa.Integer),
        sa.Column("request_id", sa.Text),
        sa.Column("errors", sa.Text, nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolution", sa.String(32)),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        sa.Column("resolved_by", sa.Text),
        *([sa.Column("error_kind", sa.Text)] if error_kind else []),
        sa.CheckConstraint(_check(reasons), name=op.f("ck_dead_letters_reason")),
        sa.CheckConstraint(
            "resolution IN ('replayed', 'discarded', 'superseded')", name=op.f("ck_dead_letters_resolution")
        ),
        sa.ForeignKeyConstraint(
            ["event_id", "reporting_system"],
            ["deliveries.event_id", "deliveries.reporting_system"],
            name="fk_dead_letters_deliveries",
        ),
        sqlite_autoincrement=True,
    )
    op.execute(f"INSERT INTO new_dead_letters ({COLUMNS}) SELECT {COLUMNS} FROM dead_letters")
    # A letter's number is never given again, also when the last rows were deleted.
    op.execute(
        "UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'dead_letters')"
        " WHERE name = 'new_dead_letters'"
    )
    op.drop_table("dead_letters")
    op.rename_table("new_dead_letters", "dead_letters")
    op.create_index("ix_dead_letters_event", "dead_letters", ["event_id", "reporting_system"])
    op.create_index("ix_dead_letters_message", "dead_letters", ["message_id"])
    op.create_index(
        "ix_dead_letters_open", "dead_letters", ["id"], sqlite_where=sa.text("resolution IS NULL")
    )
    op.create_index(
        "uq_dead_letters_message", "dead_letters", ["message_id"], unique=True, sqlite_where=sa.text(ONCE)
    )
    op.execute("CREATE INDEX ix_dead_letters_created_day ON dead_letters ((substr(created_at, 1, 10)))")
    op.execute(view)
