"""How many events and messages are where, by the counters: for the operators, and for the reconciliation."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from gong_views.names import Lane
from gong_worker.domain.states import OPEN_STATUSES
from gong_worker.ledger import rows
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.buckets import Day, parsed
from gong_worker.ledger.count_queries import read_counts
from gong_worker.ledger.counters import MESSAGE_COUNTS
from gong_worker.ledger.models import DELIVERIES, ENQUEUE_COUNTS
from gong_worker.ledger.transactions import reading, writing
from gong_worker.ledger.values import FinalCounts, LaneDay, ReconciliationSnapshot


def _keep_highest(insert: Any) -> Any:
    return insert.on_conflict_do_update(
        index_elements=["generation", "lane", "day"],
        set_={"message_count": insert.excluded.message_count},
        where=insert.excluded.message_count > ENQUEUE_COUNTS.c.message_count,
    )


_MIRROR: Final = rows.OnEach(ENQUEUE_COUNTS, _keep_highest)
_SUMS: Final = {
    column.name: sa.func.sum(column) for column in MESSAGE_COUNTS.columns if not column.primary_key
}
_OPEN: Final = DELIVERIES.c.status.in_(OPEN_STATUSES)
# Rows of this kind hold, with the sign turned, what an operator has accepted as missing: the sums add up again.
_WRITTEN_OFF: Final = "written-off:"
# How a message ended: the column that counts it, and its name here.
_ENDS: Final = {
    "accepted": "accepted",
    "already_reported": "already_reported",
    "duplicates": "duplicates",
    "letters": "dead",
    "discarded": "discarded",
}


class Counts(LedgerPart):
    """Counts by state, and by how messages ended. Of the events only those that are open are read, by an index."""

    def counts(self) -> dict[str, int]:
        """Events by status (sending, waiting, delivered, dead), `duplicates`, `dead_letters_open`."""
        with reading(self.engine) as connection:
            return read_counts(connection.exec_driver_sql)

    def final_counts(self) -> dict[LaneDay, FinalCounts]:
        """How messages ended, by lane and UTC day of enqueue; every message is counted once at most."""
        with reading(self.engine) as connection:
            return _final_counts(connection)

    def unsettled(self) -> dict[LaneDay, int]:
        """Events in `sending` or `waiting`, by lane and UTC day of enqueue."""
        with reading(self.engine) as connection:
            return _unsettled(connection)

    def mirrored_enqueue_counts(self, generation: str) -> dict[LaneDay, int]:
        """What `mirror_enqueue_counts` has of one life of Redis."""
        columns = (ENQUEUE_COUNTS.c.lane, ENQUEUE_COUNTS.c.day, ENQUEUE_COUNTS.c.message_count)
        query = sa.select(*columns).where(ENQUEUE_COUNTS.c.generation == generation)
        with reading(self.engine) as connection:
            return {(lane, day): number for lane, day, number in connection.execute(query)}

    def mirror_enqueue_counts(self, generation: str, counts: Mapping[LaneDay, int]) -> None:
        """Take over the counts of one life of Redis; a count never goes down."""
        if not counts:
            return
        with writing(self.engine) as connection:
            for (lane, day), number in sorted(counts.items()):
                row = {"generation": generation, "lane": Lane(lane), "day": day, "message_count": number}
                connection.execute(_MIRROR[connection.dialect.name], row)

    def write_off(self, missing: Mapping[LaneDay, int]) -> None:
        """Accept that so many messages are missing, or were too many (negative): once for each call."""
        generation = f"{_WRITTEN_OFF}{uuid.uuid4().hex}"
        self.mirror_enqueue_counts(generation, {place: -number for place, number in missing.items()})

    def reconciliation_snapshot(self) -> ReconciliationSnapshot:
        """`final_counts`, `unsettled`, the enqueue counts over all lives of Redis, and what was written off of them.

        All of one and the same instant.
        """
        written_off = ENQUEUE_COUNTS.c.generation.startswith(_WRITTEN_OFF, autoescape=True)
        with reading(self.engine) as connection:
            return ReconciliationSnapshot(
                _final_counts(connection),
                _unsettled(connection),
                _enqueue_counts(connection, sa.not_(written_off)),
                {place: -number for place, number in _enqueue_counts(connection, written_off).items()},
            )


def _final_counts(connection: sa.Connection) -> dict[LaneDay, FinalCounts]:
    columns = MESSAGE_COUNTS.c
    place = (columns.lane, columns.day)
    found = connection.execute(sa.select(*place, *(_SUMS[name] for name in _ENDS)).group_by(*place))
    ends = {
        (Lane(lane), day): FinalCounts(**dict(zip(_ENDS.values(), map(int, numbers), strict=True)))
        for lane, day, *numbers in found
    }
    return {place: counts for place, counts in ends.items() if counts.total}


def _unsettled(connection: sa.Connection) -> dict[LaneDay, int]:
    day: Any = Day(DELIVERIES.c.enqueued_at)
    query = sa.select(DELIVERIES.c.lane, day, sa.func.count()).where(_OPEN).group_by(DELIVERIES.c.lane, day)
    return {(lane, parsed(start).date()): number for lane, start, number in connection.execute(query)}


def _enqueue_counts(connection: sa.Connection, kind: sa.ColumnElement[bool]) -> dict[LaneDay, int]:
    place = (ENQUEUE_COUNTS.c.lane, ENQUEUE_COUNTS.c.day)
    query = sa.select(*place, sa.func.sum(ENQUEUE_COUNTS.c.message_count)).where(kind).group_by(*place)
    return {(lane, day): int(number) for lane, day, number in connection.execute(query)}
