"""Deleting what ended long ago, some hundred events at a time, so that nobody waits for it.

What it deletes stays counted: triggers move its numbers to a shard of the counters of its own (migration 0008). Nothing
that is open goes: no event on its way, none with a letter that somebody may still replay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from gong_views.names import Lane
from gong_worker.domain.states import Status
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.models import Attempt, DeadLetterRow, Delivery, Duplicate, Pruning
from gong_worker.ledger.transactions import reading, writing

READ_AT_ONCE: Final = 1000
ENDED: Final = tuple((status, lane) for status in (Status.DELIVERED, Status.DEAD) for lane in Lane)


class Old(NamedTuple):
    """An event that ended long ago, and its place in the order in which they are read."""

    enqueued_at: datetime
    event_id: str
    reporting_system: str


_PLACE: Final = tuple(getattr(Delivery, name) for name in Old._fields)


@dataclass(slots=True)
class Pruned:
    """How many rows are gone."""

    events: int = 0
    attempts: int = 0
    dead_letters: int = 0
    duplicates: int = 0

    def add(self, other: "Pruned") -> None:
        """Together with another one."""
        self.events += other.events
        self.attempts += other.attempts
        self.dead_letters += other.dead_letters
        self.duplicates += other.duplicates

    @property
    def rows(self) -> int:
        """All of them."""
        return self.events + self.attempts + self.dead_letters + self.duplicates


class Prune(LedgerPart):
    """Finds and deletes what ended before a moment."""

    def count_old(self, before: datetime, *, keep_keys: bool) -> int:
        """How many events there are to prune. It reads all that ended before then."""
        conditions = (sa.tuple_(Delivery.status, Delivery.lane).in_(ENDED), *_old(before, keep_keys))
        with reading(self.engine) as connection:
            return connection.execute(
                sa.select(sa.func.count()).select_from(Delivery).where(*conditions)
            ).scalar_one()

    def old_events(
        self, status: Status, lane: Lane, before: datetime, *, keep_keys: bool, after: Old | None
    ) -> tuple[list[Old], Old | None]:
        """Those to prune among the next READ_AT_ONCE events of a status and lane; where to go on, None at the end."""
        read = [Delivery.status == status, Delivery.lane == lane, Delivery.enqueued_at < before]
        if after is not None:
            read += _after(after)
        query = sa.select(*_PLACE).order_by(*_PLACE)
        with reading(self.engine) as connection:
            row = connection.execute(query.where(*read).offset(READ_AT_ONCE - 1).limit(1)).first()
            last = None if row is None else Old(*row)
            if last is not None:
                read += _up_to(last)
            found = connection.execute(query.where(*read, *_old(before, keep_keys)))
            return [Old(*one) for one in found], last

    def prune_events(self, events: Sequence[Old], before: datetime, *, keep_keys: bool) -> Pruned:
        """Delete what there is of these events, those excepted that are no longer old or that somebody has locked.

        With `keep_keys` the event's own row stays, and the letter of one that was erased: neither is sent again.
        """
        named = sa.tuple_(Delivery.event_id, Delivery.reporting_system).in_([event[1:] for event in events])
        free = sa.select(Delivery.event_id, Delivery.reporting_system).where(named, *_old(before, keep_keys))
        if not events:
            return Pruned()
        with writing(self.engine) as connection:
            keys = [tuple(row) for row in connection.execute(free.with_for_update(skip_locked=True))]
            if not keys:
                return Pruned()
            connection.execute(sa.insert(Pruning).values(id=1))

            def delete(model: Any, *more: sa.ColumnElement[bool]) -> int:
                these = sa.tuple_(model.event_id, model.reporting_system).in_(keys)
                return connection.execute(sa.delete(model).where(these, *more)).rowcount

            kept = [DeadLetterRow.erased_at.is_(None)] if keep_keys else []
            pruned = Pruned(
                attempts=delete(Attempt),
                dead_letters=delete(DeadLetterRow, *kept),
                duplicates=delete(Duplicate),
                events=0 if keep_keys else delete(Delivery),
            )
            connection.execute(sa.delete(Pruning))
            return pruned

    def prune_keyless_letters(self, before: datetime, limit: int) -> int:
        """Delete some of the old letters that no event stands behind; how many."""
        row = DeadLetterRow
        old = sa.select(row.id).where(
            row.event_id.is_(None), row.resolution.is_not(None), row.payload.is_(None),
            row.created_at < before, row.resolved_at < before,
        )  # fmt: skip
        with reading(self.engine) as connection:
            found = connection.execute(old.order_by(row.id).limit(limit)).scalars().all()
        if not found:
            return 0
        with writing(self.engine) as connection:
            connection.execute(sa.insert(Pruning).values(id=1))
            deleted = connection.execute(sa.delete(row).where(row.id.in_(found))).rowcount
            connection.execute(sa.delete(Pruning))
        return deleted


def _after(place: Old) -> list[sa.ColumnElement[bool]]:
    """Said twice: the first is what the index is searched by."""
    return [Delivery.enqueued_at >= place.enqueued_at, sa.tuple_(*_PLACE) > _tuple(place)]


def _up_to(place: Old) -> list[sa.ColumnElement[bool]]:
    return [Delivery.enqueued_at <= place.enqueued_at, sa.tuple_(*_PLACE) <= _tuple(place)]


def _tuple(place: Old) -> sa.Tuple:
    return sa.tuple_(*(sa.literal(value, one.type) for value, one in zip(place, _PLACE, strict=True)))


def _old(before: datetime, keep_keys: bool) -> tuple[sa.ColumnElement[bool], ...]:
    conditions = (
        # Before it ended it was enqueued; this column is the index's.
        Delivery.enqueued_at < before,
        Delivery.settled_at < before,
        ~_has(DeadLetterRow, sa.or_(DeadLetterRow.resolution.is_(None), DeadLetterRow.payload.is_not(None))),
    )
    if not keep_keys:
        return conditions
    more = sa.or_(_has(Attempt), _has(Duplicate), _has(DeadLetterRow, DeadLetterRow.erased_at.is_(None)))
    return (*conditions, more)


def _has(model: Any, *conditions: sa.ColumnElement[bool]) -> sa.Exists:
    key: tuple[InstrumentedAttribute[str], ...] = (model.event_id, model.reporting_system)
    return sa.exists().where(key[0] == Delivery.event_id, key[1] == Delivery.reporting_system, *conditions)
