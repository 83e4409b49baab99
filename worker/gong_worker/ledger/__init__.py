"""What became of every event, on SQLite or PostgreSQL. The only package that knows SQL."""

from gong_worker.ledger.engine import open_engine
from gong_worker.ledger.errors import (
    AlreadyResolved,
    ClaimLost,
    DeadLetterNotFound,
    LedgerError,
    LedgerRefused,
    LedgerUnavailable,
    SchemaOutdated,
)
from gong_worker.ledger.facade import Ledger
from gong_worker.ledger.migrate import check_schema, migrate
from gong_worker.ledger.values import (
    AttemptFacts,
    AttemptReport,
    Books,
    Busy,
    Claim,
    Claimed,
    DeadLetter,
    Ends,
    EventFacts,
    EventReport,
    LaneDay,
    MessageRef,
    Settled,
)

__all__ = [
    "AlreadyResolved",
    "AttemptFacts",
    "AttemptReport",
    "Books",
    "Busy",
    "Claim",
    "ClaimLost",
    "Claimed",
    "DeadLetter",
    "DeadLetterNotFound",
    "Ends",
    "EventFacts",
    "EventReport",
    "LaneDay",
    "Ledger",
    "LedgerError",
    "LedgerRefused",
    "LedgerUnavailable",
    "MessageRef",
    "SchemaOutdated",
    "Settled",
    "check_schema",
    "migrate",
    "open_engine",
]
