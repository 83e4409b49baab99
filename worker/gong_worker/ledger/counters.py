"""The tables of counters. Triggers keep them, in the transaction of each change of the rows that they count.

A row has a key and a shard: on PostgreSQL a transaction adds to a shard that no other one holds, so that none waits for
another's commit. What counts is the sum over the shards. docs/ledger.md explains every column.
"""

from typing import Any, Final

import sqlalchemy as sa

from gong_worker.ledger.models import METADATA

PRUNED_SHARD: Final = -2
"""Holds what was counted of rows that are pruned. The others together say what the rows say."""
_KEY_TYPES: Final[dict[str, sa.types.TypeEngine[Any]]] = {
    "day": sa.Date(),
    # As the views show it: a condition on the hour is then one on the key.
    "hour": sa.DateTime(timezone=True).with_variant(sa.String(19), "sqlite"),
    "lane": sa.String(16),
    "reporting_system": sa.Text(),
    "outcome": sa.String(32),
    "http_status": sa.Integer(),
    "bucket": sa.SmallInteger(),
    "reason": sa.String(32),
}


def _counters(name: str, keys: tuple[str, ...], *columns: str) -> sa.Table:
    return sa.Table(
        name,
        METADATA,
        *(sa.Column(key, _KEY_TYPES[key], primary_key=True, autoincrement=False) for key in keys),
        sa.Column("shard", sa.SmallInteger, primary_key=True, autoincrement=False),
        *(sa.Column(column, sa.BigInteger, nullable=False) for column in columns),
        sqlite_with_rowid=False,
    )


MESSAGE_COUNTS: Final = _counters(
    "message_counts",
    ("day", "lane", "reporting_system"),
    *("accepted", "already_reported", "dead", "duplicates", "letters", "discarded"),
)
CALL_COUNTS: Final = _counters(
    "call_counts", ("hour", "outcome", "http_status"), "calls", "timed", "duration_ms", "max_duration_ms"
)
LATENCY_COUNTS: Final = _counters(
    "latency_counts", ("hour", "lane", "bucket"), "deliveries", "latency_ms", "max_latency_ms"
)
DEAD_LETTER_COUNTS: Final = _counters(
    "dead_letter_counts", ("day", "reason"), "open", "replayed", "discarded", "superseded"
)
