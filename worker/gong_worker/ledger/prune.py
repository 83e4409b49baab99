"""Deleting what ended long ago, some hundred events at a time, so that nobody waits for it.

What it deletes stays counted: triggers move its numbers to a shard of the counters of its own (migration 0008). Nothing
that is open goes: no event on its way, none with a letter that somebody may still replay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from gong_views.names import Lane
from gong_worker.domain.states import Status
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.models import (
    ATTEMPTS,
    DEAD_LETTERS,
    DELIVERIES,
    DUPLICATES,
    OPERATOR_ACTIONS,
    PRUNING,
)
from gong_worker.ledger.transactions import reading, writing

READ_AT_ONCE: Final = 1000
ENDED: Final = tuple((status, lane) for status in (Status.DELIVERED, Status.DEAD) for lane in Lane)


class Old(NamedTuple):
    """An event that ended long ago, and its place in the order in which they are read."""

    enqueued_at: datetime
    event_id: str
    reporting_system: str


_PLACE: Final = tuple(DELIVERIES.c[name] for name in Old._fields)


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
        conditions = (sa.tuple_(DELIVERIES.c.status, DELIVERIES.c.lane).in_(ENDED), *_old(before, keep_keys))
        with reading(self.engine) as connection:
            return connection.execute(
                sa.select(sa.func.count()).select_from(DELIVERIES).where(*conditions)
            ).scalar_one()

    def old_events(
        self, status: Status, lane: Lane, before: datetime, *, keep_keys: bool, after: Old | None
    ) -> tuple[list[Old], Old | None]:
        """Those to prune among the next READ_AT_ONCE events of a status and lane; where to go on, None at the end."""
        read = [DELIVERIES.c.status == status, DELIVERIES.c.lane == lane, DELIVERIES.c.enqueued_at < before]
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

    def prune_events(
        self,
        events: Sequence[Old],
        before: datetime,
        *,
        keep_keys: bool,
        note: Mapping[str, Any] | None = None,
    ) -> Pruned:
        """Delete what there is of these events, those excepted that are no longer old or that somebody has locked.

        With `keep_keys` the event's own row stays, and the letter of one that was erased: neither is sent again.
        note: a row of the audit, which is written if anything goes, and with it.
        """
        named = sa.tuple_(DELIVERIES.c.event_id, DELIVERIES.c.reporting_system).in_(
            [event[1:] for event in events]
        )
        free = sa.select(DELIVERIES.c.event_id, DELIVERIES.c.reporting_system).where(
            named, *_old(before, keep_keys)
        )
        if not events:
            return Pruned()
        with writing(self.engine) as connection:
            keys = [tuple(row) for row in connection.execute(free.with_for_update(skip_locked=True))]
            if not keys:
                return Pruned()
            _begin(connection, note)

            def delete(table: sa.Table, *more: sa.ColumnElement[bool]) -> int:
                these = sa.tuple_(table.c.event_id, table.c.reporting_system).in_(keys)
                return connection.execute(sa.delete(table).where(these, *more)).rowcount

            kept = [DEAD_LETTERS.c.erased_at.is_(None)] if keep_keys else []
            pruned = Pruned(
                attempts=delete(ATTEMPTS),
                dead_letters=delete(DEAD_LETTERS, *kept),
                duplicates=delete(DUPLICATES),
                events=0 if keep_keys else delete(DELIVERIES),
            )
            connection.execute(sa.delete(PRUNING))
            return pruned

    def prune_keyless_letters(
        self, before: datetime, limit: int, *, note: Mapping[str, Any] | None = None
    ) -> int:
        """Delete some of the old letters that no event stands behind; how many. `note` as for `prune_events`."""
        row = DEAD_LETTERS.c
        old = sa.select(row.id).where(
            row.event_id.is_(None), row.resolution.is_not(None), row.payload.is_(None),
            row.created_at < before, row.resolved_at < before,
        )  # fmt: skip
        with reading(self.engine) as connection:
            found = connection.execute(old.order_by(row.id).limit(limit)).scalars().all()
        if not found:
            return 0
        with writing(self.engine) as connection:
            _begin(connection, note)
            deleted = connection.execute(sa.delete(DEAD_LETTERS).where(row.id.in_(found))).rowcount
            connection.execute(sa.delete(PRUNING))
        return deleted


def _begin(connection: sa.Connection, note: Mapping[str, Any] | None) -> None:
    connection.execute(sa.insert(PRUNING).values(id=1))
    if note is not None:
        connection.execute(sa.insert(OPERATOR_ACTIONS).values(dict(note)))


def _after(place: Old) -> list[sa.ColumnElement[bool]]:
    """Said twice: the first is what the index is searched by."""
    return [DELIVERIES.c.enqueued_at >= place.enqueued_at, sa.tuple_(*_PLACE) > _tuple(place)]


def _up_to(place: Old) -> list[sa.ColumnElement[bool]]:
    return [DELIVERIES.c.enqueued_at <= place.enqueued_at, sa.tuple_(*_PLACE) <= _tuple(place)]


def _tuple(place: Old) -> sa.Tuple:
    return sa.tuple_(*(sa.literal(value, one.type) for value, one in zip(place, _PLACE, strict=True)))


def _old(before: datetime, keep_keys: bool) -> tuple[sa.ColumnElement[bool], ...]:
    conditions = (
        # Before it ended it was enqueued; this column is the index's.
        DELIVERIES.c.enqueued_at < before,
        DELIVERIES.c.settled_at < before,
        ~_has(DEAD_LETTERS, sa.or_(DEAD_LETTERS.c.resolution.is_(None), DEAD_LETTERS.c.payload.is_not(None))),
    )
    if not keep_keys:
        return conditions
    more = sa.or_(_has(ATTEMPTS), _has(DUPLICATES), _has(DEAD_LETTERS, DEAD_LETTERS.c.erased_at.is_(None)))
    return (*conditions, more)


def _has(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.Exists:
    own, event = table.c, DELIVERIES.c
    of_event = (own.event_id == event.event_id, own.reporting_system == event.reporting_system)
    return sa.exists().where(*of_event, *conditions)
