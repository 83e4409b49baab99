"""The ledger's tables; their indexes are in indexes.py.

docs/ledger.md explains every column; tests compare this to the migrated schema.
"""

from typing import Any, Final

import sqlalchemy as sa

from gong_views.names import Lane
from gong_worker.domain.grants import TokenCause
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import DeadLetterReason, DeadLetterResolution, Resolution, Status
from gong_worker.ledger.columns import JsonText, KeyText, SafeText, UtcDateTime, Word

# SQLite counts up only a column of type INTEGER, which is 64 bits there anyway.
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# Naming makes constraints the same on both dialects.
METADATA: Final = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _column(name: str, kind: Any, *, null: bool = False, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null, **options)


# One row per event key, made by its first claim; deleted by nothing but pruning.
DELIVERIES: Final = sa.Table(
    "deliveries",
    METADATA,
    _column("event_id", KeyText, primary_key=True),
    _column("reporting_system", KeyText, primary_key=True),
    _column("status", Word(Status, 16)),
    _column("resolution", Word(Resolution, 32), null=True),
    _column("request_id", SafeText, null=True),
    _column("integration_id", sa.BigInteger, null=True),
    _column("attempt_count", sa.Integer),
    _column("duplicate_count", sa.Integer),
    _column("first_seen_at", UtcDateTime),
    _column("enqueued_at", UtcDateTime),
    _column("updated_at", UtcDateTime),
    _column("settled_at", UtcDateTime, null=True),
    _column("next_attempt_at", UtcDateTime, null=True),
    _column("lease_expires_at", UtcDateTime, null=True),
    _column("claim_token", sa.String(32), null=True),
    _column("message_id", KeyText),
    _column("lane", Word(Lane, 16)),
    _column("source", SafeText, null=True),
    _column("content_id", SafeText),
    _column("event_timestamp", UtcDateTime),
    _column("payload_sha256", sa.String(64)),
    sa.CheckConstraint("status IN ('sending', 'waiting', 'delivered', 'dead')", name="status"),
    sa.CheckConstraint(
        "(status = 'sending') = (claim_token IS NOT NULL AND lease_expires_at IS NOT NULL)", name="claim"
    ),
    sa.CheckConstraint("(status = 'delivered') = (resolution IS NOT NULL)", name="resolution"),
)


def _event_key() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["event_id", "reporting_system"], ["deliveries.event_id", "deliveries.reporting_system"]
    )


# One row per call, written before the call is made.
ATTEMPTS: Final = sa.Table(
    "attempts",
    METADATA,
    _column("event_id", KeyText, primary_key=True),
    _column("reporting_system", KeyText, primary_key=True),
    _column("attempt_number", sa.Integer, primary_key=True, autoincrement=False),
    _column("claim_token", sa.String(32)),
    _column("started_at", UtcDateTime),
    _column("duration_ms", sa.BigInteger, null=True),
    _column("outcome", Word(AttemptOutcome, 32), null=True),
    _column("http_status", sa.Integer, null=True),
    _column("request_id", SafeText, null=True),
    _column("error", SafeText, null=True),
    _event_key(),
)


# One row per death of an event, or per message that nobody could read.
DEAD_LETTERS: Final = sa.Table(
    "dead_letters",
    METADATA,
    _column("id", BigId, primary_key=True),
    _column("reporting_system", KeyText, null=True),
    _column("event_id", KeyText, null=True),
    _column("message_id", KeyText),
    _column("lane", Word(Lane, 16)),
    _column("source", SafeText, null=True),
    _column("enqueued_at", UtcDateTime),
    _column("reason", Word(DeadLetterReason, 32)),
    _column("http_status", sa.Integer, null=True),
    _column("request_id", SafeText, null=True),
    _column("errors", JsonText),
    _column("payload", JsonText, null=True),
    _column("created_at", UtcDateTime),
    _column("resolution", Word(DeadLetterResolution, 32), null=True),
    _column("resolved_at", UtcDateTime, null=True),
    _column("resolved_by", SafeText, null=True),
    _column("error_kind", SafeText, null=True),
    _column("replay_of", sa.BigInteger, null=True),
    _column("erased_at", UtcDateTime, null=True),
    _event_key(),
    sa.CheckConstraint(
        "reason IN ('rejected', 'exhausted', 'invalid', 'unreadable', 'refused', 'dropped')",
        name="reason",
    ),
    sa.CheckConstraint("resolution IN ('replayed', 'discarded', 'superseded')", name="resolution"),
    sqlite_autoincrement=True,  # a letter's number is never given to another one
)


# One row per message that brought an event Gong had already, or one that is dead.
DUPLICATES: Final = sa.Table(
    "duplicates",
    METADATA,
    _column("message_id", KeyText, primary_key=True),
    _column("reporting_system", KeyText),
    _column("event_id", KeyText),
    _column("lane", Word(Lane, 16)),
    _column("source", SafeText, null=True),
    _column("enqueued_at", UtcDateTime),
    _column("seen_at", UtcDateTime),
    _event_key(),
)


# Messages that went in, as Redis counted them at enqueue; this copy outlives a wiped Redis.
ENQUEUE_COUNTS: Final = sa.Table(
    "intake",
    METADATA,
    _column("generation", KeyText, primary_key=True),
    _column("lane", Word(Lane, 16), primary_key=True),
    _column("day", sa.Date, primary_key=True),
    _column("message_count", sa.BigInteger),
)


# One row per change an operator made: who, what, on which selection, how many, when, why.
OPERATOR_ACTIONS: Final = sa.Table(
    "operator_actions",
    METADATA,
    _column("id", BigId, primary_key=True),
    _column("at", UtcDateTime),
    _column("by", SafeText),
    _column("action", sa.String(32)),
    _column("target", JsonText, null=True),
    _column("count", sa.BigInteger),
    _column("reason", SafeText, null=True),
    _column("details", JsonText, null=True),
    sqlite_autoincrement=True,
)


# A secret of this installation, made once and never changed; no role that only reads has a right on it.
INSTALLATION_KEYS: Final = sa.Table(
    "installation_keys",
    METADATA,
    _column("name", sa.String(32), primary_key=True),
    _column("value", sa.String(128)),
)


# A row stands in it inside of a transaction that prunes: what that deletes stays counted (migration 0008).
PRUNING: Final = sa.Table(
    "pruning",
    METADATA,
    _column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
)


# One row per OAuth client: what an administrator of Gong approved, and its latest tokens, encrypted.
OAUTH_GRANTS: Final = sa.Table(
    "oauth_grants",
    METADATA,
    _column("client_id", KeyText, primary_key=True),
    _column("generation", sa.BigInteger),
    _column("tokens", sa.Text),
    _column("base_url", SafeText, null=True),
    _column("scope", SafeText, null=True),
    _column("cause", Word(TokenCause, 16)),
    _column("granted_at", UtcDateTime),
    _column("granted_by", SafeText),
    _column("renewed_at", UtcDateTime, null=True),
    _column("lifetime_seconds", sa.BigInteger, null=True),
    _column("expires_at", UtcDateTime, null=True),
    _column("refused_at", UtcDateTime, null=True),
    _column("failing_since", UtcDateTime, null=True),
    _column("failure", SafeText, null=True),
    _column("renewal_token", sa.String(32), null=True),
    _column("renewal_until", UtcDateTime, null=True),
)
