"""How many events and messages are where: for the operators, and for the reconciliation."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from gong_views.names import Lane
from gong_worker.domain.states import DeadLetterResolution, Status
from gong_worker.ledger import rows
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.buckets import Day, parsed
from gong_worker.ledger.models import DeadLetterRow, Delivery, Duplicate, EnqueueCount
from gong_worker.ledger.transactions import reading, writing
from gong_worker.ledger.values import FinalCounts, LaneDay, ReconciliationSnapshot


def _keep_highest(insert: Any) -> Any:
    return insert.on_conflict_do_update(
        index_elements=["generation", "lane", "day"],
        set_={"message_count": insert.excluded.message_count},
        where=insert.excluded.message_count > EnqueueCount.message_count,
    )


_MIRROR: Final = rows.on_each(EnqueueCount, _keep_highest)


class Counts(LedgerPart):
    """Counts by state, and by how messages ended."""

    def counts(self) -> dict[str, int]:
        """Events by status (sending, waiting, delivered, dead), `duplicates`, `dead_letters_open`."""
        by_status = sa.select(Delivery.status, sa.func.count()).group_by(Delivery.status)
        letters = (
            sa.select(sa.func.count()).select_from(DeadLetterRow).where(DeadLetterRow.resolution.is_(None))
        )
        with reading(self.engine) as connection:
            found = dict.fromkeys((status.value for status in Status), 0)
            found |= {status.value: number for status, number in connection.execute(by_status)}
            duplicates = sa.select(sa.func.count()).select_from(Duplicate)
            found["duplicates"] = connection.execute(duplicates).scalar_one()
            found["dead_letters_open"] = connection.execute(letters).scalar_one()
        return found

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
        columns = (EnqueueCount.lane, EnqueueCount.day, EnqueueCount.message_count)
        query = sa.select(*columns).where(EnqueueCount.generation == generation)
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

    def reconciliation_snapshot(self) -> ReconciliationSnapshot:
        """`final_counts`, `unsettled` and the enqueue counts over all lives of Redis, of one and the same instant."""
        with reading(self.engine) as connection:
            return ReconciliationSnapshot(
                _final_counts(connection), _unsettled(connection), _enqueue_counts(connection)
            )


def _final_counts(connection: sa.Connection) -> dict[LaneDay, FinalCounts]:
    found: dict[LaneDay, FinalCounts] = defaultdict(FinalCounts)

    def add(query: sa.Select[Any]) -> None:
        for lane, day, what, number in connection.execute(query):
            place = (lane, parsed(day).date())
            found[place] = replace(found[place], **{what: getattr(found[place], what) + number})

    day: Any = Day(Delivery.enqueued_at)
    add(
        sa.select(Delivery.lane, day, Delivery.resolution, sa.func.count())
        .where(Delivery.status == Status.DELIVERED)
        .group_by(Delivery.lane, day, Delivery.resolution)
    )
    day = Day(Duplicate.enqueued_at)
    add(
        sa.select(Duplicate.lane, day, sa.literal_column("'duplicates'"), sa.func.count()).group_by(
            Duplicate.lane, day
        )
    )
    # A late answer may have shown that a message given up as dead had delivered: it ended once, as delivered.
    delivered = aliased(Delivery)
    after_all = (
        sa.select(delivered.event_id)
        .where(
            delivered.event_id == DeadLetterRow.event_id,
            delivered.reporting_system == DeadLetterRow.reporting_system,
            delivered.message_id == DeadLetterRow.message_id,
            delivered.status == Status.DELIVERED,
        )
        .exists()
    )
    day = Day(DeadLetterRow.enqueued_at)
    what: Any = sa.case(
        (DeadLetterRow.resolution == DeadLetterResolution.DISCARDED, "discarded"), else_="dead"
    )
    inner = sa.select(DeadLetterRow.lane, day.label("day"), what.label("what")).where(~after_all).subquery()
    columns = (inner.c.lane, inner.c.day, inner.c.what)
    add(sa.select(*columns, sa.func.count()).group_by(*columns))
    return dict(found)


def _unsettled(connection: sa.Connection) -> dict[LaneDay, int]:
    day: Any = Day(Delivery.enqueued_at)
    query = (
        sa.select(Delivery.lane, day, sa.func.count())
        .where(Delivery.status.in_([Status.SENDING, Status.WAITING]))
        .group_by(Delivery.lane, day)
    )
    return {(lane, parsed(start).date()): number for lane, start, number in connection.execute(query)}


def _enqueue_counts(connection: sa.Connection) -> dict[LaneDay, int]:
    query = sa.select(EnqueueCount.lane, EnqueueCount.day, sa.func.sum(EnqueueCount.message_count)).group_by(
        EnqueueCount.lane, EnqueueCount.day
    )
    found: dict[tuple[Lane, date], int] = {}
    for lane, day, number in connection.execute(query):
        found[lane, day] = int(number)
    return found
