"""What operators, the console and the gate ask of the ledger."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import aliased

from gong_views.names import Lane
from gong_worker.domain.states import Status
from gong_worker.ledger import rows
from gong_worker.ledger.buckets import Day, Hour, Minute, literal, parsed
from gong_worker.ledger.columns import utc
from gong_worker.ledger.errors import LedgerUnavailable
from gong_worker.ledger.models import Attempt, DeadLetterRow, Delivery, Duplicate, EnqueueCount
from gong_worker.ledger.transactions import reading, writing
from gong_worker.ledger.values import AttemptReport, EventReport, FinalCounts, LaneDay, ReconciliationSnapshot

_ATTEMPT_COLUMNS = tuple(AttemptReport.__slots__)
_EVENT_COLUMNS = tuple(name for name in EventReport.__slots__ if name not in ("attempts", "dead_letter_ids"))


def ping(engine: Engine) -> None:
    """Commit a write that changes nothing; see `Ledger.ping`."""
    with writing(engine) as connection:
        if connection.dialect.name == "sqlite":
            # Writes a page, so that a full disk shows.
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            connection.exec_driver_sql(f"PRAGMA user_version = {int(version)}")
        else:
            read_only = connection.exec_driver_sql("SHOW transaction_read_only").scalar_one()
            if read_only == "on":
                raise LedgerUnavailable("the ledger is unavailable: the database is read-only")
            connection.exec_driver_sql("SELECT txid_current()")


def counts(engine: Engine) -> dict[str, int]:
    """How many events are where; see `Ledger.counts`."""
    by_status = sa.select(Delivery.status, sa.func.count()).group_by(Delivery.status)
    letters = sa.select(sa.func.count()).select_from(DeadLetterRow).where(DeadLetterRow.resolution.is_(None))
    with reading(engine) as connection:
        found = dict.fromkeys((status.value for status in Status), 0)
        found |= {row[0]: row[1] for row in connection.execute(by_status)}
        found["duplicates"] = connection.execute(
            sa.select(sa.func.count()).select_from(Duplicate)
        ).scalar_one()
        found["dead_letters_open"] = connection.execute(letters).scalar_one()
    return found


def event(engine: Engine, event_id: str, reporting_system: str | None) -> list[EventReport]:
    """What is known of an event; see `Ledger.event`."""
    query = sa.select(*(getattr(Delivery, name) for name in _EVENT_COLUMNS)).where(
        Delivery.event_id == event_id
    )
    if reporting_system is not None:
        query = query.where(Delivery.reporting_system == reporting_system)
    with reading(engine) as connection:
        found = connection.execute(query.order_by(Delivery.reporting_system)).all()
        return [_report(connection, row) for row in found]


def _report(connection: sa.Connection, row: Any) -> EventReport:
    calls = (
        sa.select(*(getattr(Attempt, name) for name in _ATTEMPT_COLUMNS))
        .where(Attempt.event_id == row.event_id, Attempt.reporting_system == row.reporting_system)
        .order_by(Attempt.attempt_number)
    )
    letters = (
        sa.select(DeadLetterRow.id)
        .where(DeadLetterRow.event_id == row.event_id, DeadLetterRow.reporting_system == row.reporting_system)
        .order_by(DeadLetterRow.id)
    )
    values = dict(row._mapping)
    return EventReport(
        **{**values, "lane": Lane(values["lane"])},
        attempts=[AttemptReport(**attempt._mapping) for attempt in connection.execute(calls)],
        dead_letter_ids=list(connection.execute(letters).scalars()),
    )


def calls_per_minute(engine: Engine, since: datetime) -> list[tuple[datetime, int]]:
    """Calls made since a moment, by minute; see `Ledger.calls_per_minute`."""
    since = utc(since)
    minute: Any = Minute(Attempt.started_at)
    first_hour = since.replace(minute=0, second=0, microsecond=0)
    query = (
        sa.select(minute, sa.func.count())
        .where(
            # The hour is what is indexed.
            Hour(Attempt.started_at) >= literal(engine.dialect.name, first_hour),
            Attempt.started_at >= since,
            sa.or_(Attempt.outcome.is_(None), Attempt.outcome != "unreachable"),
        )
        .group_by(minute)
        .order_by(minute)
    )
    with reading(engine) as connection:
        return [(parsed(start), number) for start, number in connection.execute(query)]


def reconciliation_snapshot(engine: Engine) -> ReconciliationSnapshot:
    """Final counts, unsettled events and enqueue counts of one instant; see `Ledger.reconciliation_snapshot`."""
    with reading(engine) as connection:
        return ReconciliationSnapshot(
            _final_counts(connection), _unsettled(connection), _enqueue_counts(connection)
        )


def final_counts(engine: Engine) -> dict[LaneDay, FinalCounts]:
    """How messages ended, by lane and day of enqueue; see `Ledger.final_counts`."""
    with reading(engine) as connection:
        return _final_counts(connection)


def unsettled(engine: Engine) -> dict[LaneDay, int]:
    """Events that are being sent or wait, by lane and day of enqueue; see `Ledger.unsettled`."""
    with reading(engine) as connection:
        return _unsettled(connection)


def enqueue_counts(engine: Engine) -> dict[LaneDay, int]:
    """Messages that went in, by lane and day; see `Ledger.enqueue_counts`."""
    with reading(engine) as connection:
        return _enqueue_counts(connection)


def mirror_enqueue_counts(engine: Engine, generation: str, numbers: Mapping[LaneDay, int]) -> None:
    """Keep the highest count seen; see `Ledger.mirror_enqueue_counts`."""
    if not numbers:
        return
    with writing(engine) as connection:
        for (lane, day), number in sorted(numbers.items()):
            statement = rows.insert_into(connection, EnqueueCount).values(
                generation=generation, lane=Lane(lane).value, day=day, message_count=number
            )
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["generation", "lane", "day"],
                    set_={"message_count": statement.excluded.message_count},
                    where=statement.excluded.message_count > EnqueueCount.message_count,
                )
            )


def _final_counts(connection: sa.Connection) -> dict[LaneDay, FinalCounts]:
    found: dict[LaneDay, FinalCounts] = defaultdict(FinalCounts)

    def add(query: sa.Select[Any]) -> None:
        for lane, day, what, number in connection.execute(query):
            place = (Lane(lane), parsed(day).date())
            found[place] = replace(found[place], **{what: getattr(found[place], what) + number})

    day: Any = Day(Delivery.enqueued_at)
    add(
        sa.select(Delivery.lane, day, Delivery.resolution, sa.func.count())
        .where(Delivery.status == Status.DELIVERED.value)
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
            delivered.status == Status.DELIVERED.value,
        )
        .exists()
    )
    day = Day(DeadLetterRow.enqueued_at)
    what: Any = sa.case((DeadLetterRow.resolution == "discarded", "discarded"), else_="dead")
    inner = sa.select(DeadLetterRow.lane, day.label("day"), what.label("what")).where(~after_all).subquery()
    columns = (inner.c.lane, inner.c.day, inner.c.what)
    add(sa.select(*columns, sa.func.count()).group_by(*columns))
    return dict(found)


def _unsettled(connection: sa.Connection) -> dict[LaneDay, int]:
    day: Any = Day(Delivery.enqueued_at)
    query = (
        sa.select(Delivery.lane, day, sa.func.count())
        .where(Delivery.status.in_([Status.SENDING.value, Status.WAITING.value]))
        .group_by(Delivery.lane, day)
    )
    return {(Lane(lane), parsed(start).date()): number for lane, start, number in connection.execute(query)}


def _enqueue_counts(connection: sa.Connection) -> dict[LaneDay, int]:
    query = sa.select(EnqueueCount.lane, EnqueueCount.day, sa.func.sum(EnqueueCount.message_count)).group_by(
        EnqueueCount.lane, EnqueueCount.day
    )
    found: dict[tuple[Lane, date], int] = {}
    for lane, day, number in connection.execute(query):
        found[Lane(lane), day] = int(number)
    return found
