"""The ledger's tables. docs/ledger.md explains every column; tests compare this to the migrated schema."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from gong_views.names import Lane
from gong_worker.domain.grants import TokenCause
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import DeadLetterReason, DeadLetterResolution, Resolution, Status
from gong_worker.ledger.columns import JsonText, KeyText, SafeText, UtcDateTime, Word

# SQLite counts up only a column of type INTEGER, which is 64 bits there anyway.
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_ONCE = "event_id IS NULL AND (resolution IS NULL OR resolution <> 'replayed')"

# What cannot be declared for both dialects at once: the migrations make it.
ONLY_IN_MIGRATIONS = {
    "sqlite": {"ix_call_counts_day", "latency_buckets"},
    "postgresql": {"ix_call_counts_day", "ix_deliveries_settled"},
}


class Base(DeclarativeBase):
    """Naming makes constraints the same on both dialects."""

    metadata = sa.MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


class Delivery(Base):
    """One row per event key, made by its first claim; deleted by nothing but pruning."""

    __tablename__ = "deliveries"

    event_id: Mapped[str] = mapped_column(KeyText, primary_key=True)
    reporting_system: Mapped[str] = mapped_column(KeyText, primary_key=True)
    status: Mapped[Status] = mapped_column(Word(Status, 16))
    resolution: Mapped[Resolution | None] = mapped_column(Word(Resolution, 32))
    request_id: Mapped[str | None] = mapped_column(SafeText)
    integration_id: Mapped[int | None] = mapped_column(sa.BigInteger)
    attempt_count: Mapped[int] = mapped_column(sa.Integer)
    duplicate_count: Mapped[int] = mapped_column(sa.Integer)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    enqueued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    claim_token: Mapped[str | None] = mapped_column(sa.String(32))
    message_id: Mapped[str] = mapped_column(KeyText)
    lane: Mapped[Lane] = mapped_column(Word(Lane, 16))
    source: Mapped[str | None] = mapped_column(SafeText)
    content_id: Mapped[str] = mapped_column(SafeText)
    event_timestamp: Mapped[datetime] = mapped_column(UtcDateTime)
    payload_sha256: Mapped[str] = mapped_column(sa.String(64))

    __table_args__ = (
        sa.CheckConstraint("status IN ('sending', 'waiting', 'delivered', 'dead')", name="status"),
        sa.CheckConstraint(
            "(status = 'sending') = (claim_token IS NOT NULL AND lease_expires_at IS NOT NULL)", name="claim"
        ),
        sa.CheckConstraint("(status = 'delivered') = (resolution IS NOT NULL)", name="resolution"),
        sa.Index("ix_deliveries_status", "status", "lane", "enqueued_at", "resolution"),
    )


def _event_key() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["event_id", "reporting_system"], ["deliveries.event_id", "deliveries.reporting_system"]
    )


class Attempt(Base):
    """One row per call, written before the call is made."""

    __tablename__ = "attempts"

    event_id: Mapped[str] = mapped_column(KeyText, primary_key=True)
    reporting_system: Mapped[str] = mapped_column(KeyText, primary_key=True)
    attempt_number: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    claim_token: Mapped[str] = mapped_column(sa.String(32))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int | None] = mapped_column(sa.BigInteger)
    outcome: Mapped[AttemptOutcome | None] = mapped_column(Word(AttemptOutcome, 32))
    http_status: Mapped[int | None] = mapped_column(sa.Integer)
    request_id: Mapped[str | None] = mapped_column(SafeText)
    error: Mapped[str | None] = mapped_column(SafeText)

    __table_args__ = (
        _event_key(),
        # Calls are stored in the order of time, so the least and the highest of each few pages do for PostgreSQL.
        sa.Index("ix_attempts_started", "started_at", postgresql_using="brin"),
        sa.Index(
            "ix_attempts_in_flight",
            "started_at",
            sqlite_where=sa.text("outcome IS NULL"),
            postgresql_where=sa.text("outcome IS NULL"),
        ),
    )


class DeadLetterRow(Base):
    """One row per death of an event, or per message that nobody could read."""

    __tablename__ = "dead_letters"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    reporting_system: Mapped[str | None] = mapped_column(KeyText)
    event_id: Mapped[str | None] = mapped_column(KeyText)
    message_id: Mapped[str] = mapped_column(KeyText)
    lane: Mapped[Lane] = mapped_column(Word(Lane, 16))
    source: Mapped[str | None] = mapped_column(SafeText)
    enqueued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[DeadLetterReason] = mapped_column(Word(DeadLetterReason, 32))
    http_status: Mapped[int | None] = mapped_column(sa.Integer)
    request_id: Mapped[str | None] = mapped_column(SafeText)
    errors: Mapped[list[str]] = mapped_column(JsonText)
    payload: Mapped[Any | None] = mapped_column(JsonText)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resolution: Mapped[DeadLetterResolution | None] = mapped_column(Word(DeadLetterResolution, 32))
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    resolved_by: Mapped[str | None] = mapped_column(SafeText)
    error_kind: Mapped[str | None] = mapped_column(SafeText)
    replay_of: Mapped[int | None] = mapped_column(sa.BigInteger)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        _event_key(),
        sa.CheckConstraint(
            "reason IN ('rejected', 'exhausted', 'invalid', 'unreadable', 'refused', 'dropped')",
            name="reason",
        ),
        sa.CheckConstraint("resolution IN ('replayed', 'discarded', 'superseded')", name="resolution"),
        sa.Index("ix_dead_letters_event", "event_id", "reporting_system"),
        sa.Index("ix_dead_letters_message", "message_id"),
        sa.Index("ix_dead_letters_group", "resolution", "reason", "http_status", "error_kind", "created_at"),
        sa.Index(
            "ix_dead_letters_open",
            "id",
            sqlite_where=sa.text("resolution IS NULL"),
            postgresql_where=sa.text("resolution IS NULL"),
        ),
        # A redelivered message gets no second letter; one that was replayed and is unreadable again does.
        sa.Index(
            "uq_dead_letters_message",
            "message_id",
            unique=True,
            sqlite_where=sa.text(_ONCE),
            postgresql_where=sa.text(_ONCE),
        ),
        {"sqlite_autoincrement": True},  # a letter's number is never given to another one
    )


class Duplicate(Base):
    """One row per message that brought an event Gong had already, or one that is dead."""

    __tablename__ = "duplicates"

    message_id: Mapped[str] = mapped_column(KeyText, primary_key=True)
    reporting_system: Mapped[str] = mapped_column(KeyText)
    event_id: Mapped[str] = mapped_column(KeyText)
    lane: Mapped[Lane] = mapped_column(Word(Lane, 16))
    source: Mapped[str | None] = mapped_column(SafeText)
    enqueued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (_event_key(), sa.Index("ix_duplicates_event", "event_id", "reporting_system"))


class EnqueueCount(Base):
    """Messages that went in, as Redis counted them at enqueue; this copy outlives a wiped Redis."""

    __tablename__ = "intake"

    generation: Mapped[str] = mapped_column(KeyText, primary_key=True)
    lane: Mapped[Lane] = mapped_column(Word(Lane, 16), primary_key=True)
    day: Mapped[date] = mapped_column(sa.Date, primary_key=True)
    message_count: Mapped[int] = mapped_column(sa.BigInteger)


class OperatorAction(Base):
    """One row per change an operator made: who, what, on which selection, how many, when, why."""

    __tablename__ = "operator_actions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    by: Mapped[str] = mapped_column(SafeText)
    action: Mapped[str] = mapped_column(sa.String(32))
    target: Mapped[Any | None] = mapped_column(JsonText)
    count: Mapped[int] = mapped_column(sa.BigInteger)
    reason: Mapped[str | None] = mapped_column(SafeText)
    details: Mapped[Any | None] = mapped_column(JsonText)

    __table_args__ = ({"sqlite_autoincrement": True},)


class InstallationKey(Base):
    """A secret of this installation, made once and never changed; no role that only reads has a right on it."""

    __tablename__ = "installation_keys"

    name: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    value: Mapped[str] = mapped_column(sa.String(128))


class Pruning(Base):
    """A row stands in it inside of a transaction that prunes: what that deletes stays counted (migration 0008)."""

    __tablename__ = "pruning"

    id: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)


class OAuthGrantRow(Base):
    """One row per OAuth client: what an administrator of Gong approved, and its latest tokens, encrypted."""

    __tablename__ = "oauth_grants"

    client_id: Mapped[str] = mapped_column(KeyText, primary_key=True)
    generation: Mapped[int] = mapped_column(sa.BigInteger)
    tokens: Mapped[str] = mapped_column(sa.Text)
    base_url: Mapped[str | None] = mapped_column(SafeText)
    scope: Mapped[str | None] = mapped_column(SafeText)
    cause: Mapped[TokenCause] = mapped_column(Word(TokenCause, 16))
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    granted_by: Mapped[str] = mapped_column(SafeText)
    renewed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lifetime_seconds: Mapped[int | None] = mapped_column(sa.BigInteger)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failure: Mapped[str | None] = mapped_column(SafeText)
    renewal_token: Mapped[str | None] = mapped_column(sa.String(32))
    renewal_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
