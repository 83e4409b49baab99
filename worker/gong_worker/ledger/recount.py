"""The counters against what the rows themselves say, and bringing them into line.

Views made by the migration count anew, in the shape of the tables of counters: `recounted_message_counts` and so on.
A counter that is wrong stays wrong by the same amount, whatever is written meanwhile, because the triggers go on. So
what one instant shows to be missing can be added at any later one, and no writer has to wait. What was counted of rows
that are pruned is in a shard of its own, and left out.
"""

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from gong_worker.ledger import rows
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.counters import (
    CALL_COUNTS,
    DEAD_LETTER_COUNTS,
    LATENCY_COUNTS,
    MESSAGE_COUNTS,
    PRUNED_SHARD,
)
from gong_worker.ledger.transactions import reading, writing

_TABLES: Final = (MESSAGE_COUNTS, CALL_COUNTS, LATENCY_COUNTS, DEAD_LETTER_COUNTS)
# On PostgreSQL none of those that transactions take: they could wait for each other in a ring.
_SHARD: Final = {"postgresql": -1, "sqlite": 0}


@dataclass(frozen=True, slots=True)
class Miscount:
    """Counters of one key that are not what the rows say. `missing`: by column, what has to be added to be right."""

    table: str
    key: dict[str, Any]
    missing: dict[str, int]


class Recount(LedgerPart):
    """Counts all rows anew: it reads the whole ledger."""

    def miscounts(self) -> list[Miscount]:
        """Where the counters and the rows differ, as of one instant; empty when they are right."""
        with reading(self.engine) as connection:
            return [found for table in _TABLES for found in _miscounts(connection, table)]

    def correct(self, miscounts: list[Miscount]) -> None:
        """Add what is missing, once."""
        with writing(self.engine) as connection:
            for found in miscounts:
                connection.execute(_addition(connection.dialect.name, found))


def _keys(table: sa.Table) -> list[str]:
    return [column.name for column in table.primary_key if column.name != "shard"]


def _sums(table: sa.Table) -> list[str]:
    """The columns that are added up. The highest of a key is not compared: nobody takes one back."""
    return [column.name for column in table.columns if not column.primary_key and column.name[:4] != "max_"]


def _miscounts(connection: sa.Connection, table: sa.Table) -> list[Miscount]:
    keys, sums = _keys(table), _sums(table)
    recounted = sa.table(
        f"recounted_{table.name}", *(sa.column(name, table.c[name].type) for name in (*keys, *sums))
    )
    both = sa.union_all(
        sa.select(*recounted.columns),
        sa.select(*(table.c[name] for name in keys), *((-table.c[name]).label(name) for name in sums)).where(
            table.c.shard != PRUNED_SHARD
        ),
    ).subquery()
    by = [both.c[name] for name in keys]
    missing = [sa.func.sum(both.c[name]) for name in sums]
    query = (
        sa.select(*by, *missing)
        .group_by(*by)
        .having(sa.or_(*(number != 0 for number in missing)))
        .order_by(*by)
    )
    return [
        Miscount(
            table.name,
            dict(zip(keys, row, strict=False)),
            {name: int(number) for name, number in zip(sums, row[len(keys) :], strict=True) if number},
        )
        for row in connection.execute(query)
    ]


def _addition(dialect: str, found: Miscount) -> Any:
    (table,) = (table for table in _TABLES if table.name == found.table)
    numbers = {column.name: 0 for column in table.columns if not column.primary_key} | found.missing
    insert = rows.insert_into(dialect, table)
    insert = insert.values(**found.key, shard=_SHARD[dialect], **numbers)
    changes = {name: table.c[name] + insert.excluded[name] for name in found.missing}
    return insert.on_conflict_do_update(index_elements=[*_keys(table), "shard"], set_=changes)
