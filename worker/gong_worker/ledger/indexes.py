"""The indexes of the ledger's tables, as the migrations make them; tests compare them to the schema.

Nothing that runs imports this: an index that names a dialect's options loads that dialect, whatever the ledger is on.
"""

from typing import Final

import sqlalchemy as sa

from gong_worker.ledger.models import ATTEMPTS, DEAD_LETTERS, DELIVERIES, DUPLICATES, METADATA

# What cannot be declared for both dialects at once: the migrations make it.
ONLY_IN_MIGRATIONS: Final = {
    "sqlite": {"ix_call_counts_day", "latency_buckets"},
    "postgresql": {"ix_call_counts_day", "ix_deliveries_settled"},
}


def _partial(name: str, column: sa.Column[object], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    sa.Index(name, column, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _declare() -> sa.MetaData:
    events, calls, letters, duplicates = DELIVERIES.c, ATTEMPTS.c, DEAD_LETTERS.c, DUPLICATES.c
    sa.Index("ix_deliveries_status", events.status, events.lane, events.enqueued_at, events.resolution)
    # Calls are stored in the order of time, so the least and the highest of each few pages do for PostgreSQL.
    sa.Index("ix_attempts_started", calls.started_at, postgresql_using="brin")
    _partial("ix_attempts_in_flight", calls.started_at, "outcome IS NULL")
    sa.Index("ix_dead_letters_event", letters.event_id, letters.reporting_system)
    sa.Index("ix_dead_letters_message", letters.message_id)
    sa.Index(
        "ix_dead_letters_group",
        *(letters.resolution, letters.reason, letters.http_status, letters.error_kind, letters.created_at),
    )
    _partial("ix_dead_letters_open", letters.id, "resolution IS NULL")
    # A redelivered message gets no second letter; one that was replayed and is unreadable again does.
    once = "event_id IS NULL AND (resolution IS NULL OR resolution <> 'replayed')"
    _partial("uq_dead_letters_message", letters.message_id, once, unique=True)
    sa.Index("ix_duplicates_event", duplicates.event_id, duplicates.reporting_system)
    return METADATA


SCHEMA: Final = _declare()
"""The tables with their indexes."""
