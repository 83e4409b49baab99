"""What became of every event, on SQLite or PostgreSQL. The only package that knows SQL."""

from typing import TYPE_CHECKING

from gong_views.lazy_names import lazy_names

if TYPE_CHECKING:
    from gong_worker.ledger.activity import HourOutcome
    from gong_worker.ledger.attempt_feed import AttemptFilter, AttemptKey, AttemptLine
    from gong_worker.ledger.audit import AuditEntry, AuditPage
    from gong_worker.ledger.dead_letter_search import (
        DeadLetterFilter,
        DeadLetterGroup,
        DeadLetterPage,
        DeadLetterSummary,
    )
    from gong_worker.ledger.engine import open_engine, place_of
    from gong_worker.ledger.errors import (
        ClaimLost,
        DeadLetterGroupNotFound,
        DeadLetterNotFound,
        LedgerError,
        LedgerRefused,
        LedgerUnavailable,
        SchemaOutdated,
    )
    from gong_worker.ledger.event_history import LetterReport
    from gong_worker.ledger.event_search import BadCursor, EventFilter, EventPage, EventSummary
    from gong_worker.ledger.ledger import Ledger
    from gong_worker.ledger.oauth_grants import AccessFacts
    from gong_worker.ledger.prune import Pruned
    from gong_worker.ledger.recount import Miscount
    from gong_worker.ledger.schema import check_schema, migrate
    from gong_worker.ledger.totals import LedgerTotals
    from gong_worker.ledger.values import (
        AlreadyHandled,
        AttemptFacts,
        AttemptReport,
        Busy,
        Claim,
        Claimed,
        DeadLetter,
        EventFacts,
        EventReport,
        FinalCounts,
        LaneDay,
        MessageRef,
        ReconciliationSnapshot,
    )

__all__ = [
    "AccessFacts",
    "AlreadyHandled",
    "AttemptFacts",
    "AttemptFilter",
    "AttemptKey",
    "AttemptLine",
    "AttemptReport",
    "AuditEntry",
    "AuditPage",
    "BadCursor",
    "Busy",
    "Claim",
    "ClaimLost",
    "Claimed",
    "DeadLetter",
    "DeadLetterFilter",
    "DeadLetterGroup",
    "DeadLetterGroupNotFound",
    "DeadLetterNotFound",
    "DeadLetterPage",
    "DeadLetterSummary",
    "EventFacts",
    "EventFilter",
    "EventPage",
    "EventReport",
    "EventSummary",
    "FinalCounts",
    "HourOutcome",
    "LaneDay",
    "Ledger",
    "LedgerError",
    "LedgerRefused",
    "LedgerTotals",
    "LedgerUnavailable",
    "LetterReport",
    "MessageRef",
    "Miscount",
    "Pruned",
    "ReconciliationSnapshot",
    "SchemaOutdated",
    "check_schema",
    "migrate",
    "open_engine",
    "place_of",
]

# A command that only wants to know what a ledger's errors are, or its counts, does not wait for SQLAlchemy.
_HOMES = {
    "activity": ("HourOutcome",),
    "attempt_feed": (
        "AttemptFilter",
        "AttemptKey",
        "AttemptLine",
    ),
    "audit": (
        "AuditEntry",
        "AuditPage",
    ),
    "dead_letter_search": (
        "DeadLetterFilter",
        "DeadLetterGroup",
        "DeadLetterPage",
        "DeadLetterSummary",
    ),
    "engine": (
        "open_engine",
        "place_of",
    ),
    "errors": (
        "ClaimLost",
        "DeadLetterGroupNotFound",
        "DeadLetterNotFound",
        "LedgerError",
        "LedgerRefused",
        "LedgerUnavailable",
        "SchemaOutdated",
    ),
    "event_history": ("LetterReport",),
    "event_search": (
        "BadCursor",
        "EventFilter",
        "EventPage",
        "EventSummary",
    ),
    "ledger": ("Ledger",),
    "oauth_grants": ("AccessFacts",),
    "prune": ("Pruned",),
    "recount": ("Miscount",),
    "schema": (
        "check_schema",
        "migrate",
    ),
    "totals": ("LedgerTotals",),
    "values": (
        "AlreadyHandled",
        "AttemptFacts",
        "AttemptReport",
        "Busy",
        "Claim",
        "Claimed",
        "DeadLetter",
        "EventFacts",
        "EventReport",
        "FinalCounts",
        "LaneDay",
        "MessageRef",
        "ReconciliationSnapshot",
    ),
}

if not TYPE_CHECKING:  # to a type checker these are the names imported above, and there are no others
    __getattr__, __dir__ = lazy_names(__name__, _HOMES)
