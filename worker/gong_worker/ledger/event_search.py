"""Events by filter, the latest first, a page at a time.

Only the key and (status, lane, time of enqueue) are indexed: each further index would cost at every delivery. A search
for anything else reads the events in the order of that index, at most so many a page, and says where to go on.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any, Final

import sqlalchemy as sa

from gong_views.names import Lane
from gong_worker.domain.states import OPEN_STATUSES, Resolution, Status
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.columns import utc
from gong_worker.ledger.counters import MESSAGE_COUNTS, PRUNED_SHARD
from gong_worker.ledger.models import ATTEMPTS, DELIVERIES
from gong_worker.ledger.transactions import reading
from gong_worker.ledger.values import Int64

SCANNED: Final = 20_000
"""Events of one status and lane that are read for one page."""

Position = tuple[datetime, str, str]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are meant; what is None does not matter. Every condition has to hold.

    request_id: of any of its calls. since, until: when the message that carries it was enqueued, from and before.
    """

    event_id: str | None = None
    request_id: str | None = None
    content_id: str | None = None
    reporting_system: str | None = None
    status: Status | None = None
    source: str | None = None
    lane: Lane | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventSummary:
    """One event as the ledger has it, without its calls."""

    reporting_system: str
    event_id: str
    status: Status
    resolution: Resolution | None
    lane: Lane
    source: str | None
    content_id: str
    event_timestamp: datetime
    attempt_count: int
    duplicate_count: int
    enqueued_at: datetime
    first_seen_at: datetime
    updated_at: datetime
    settled_at: datetime | None
    next_attempt_at: datetime | None
    request_id: str | None
    integration_id: Int64 | None


@dataclass(frozen=True, slots=True)
class EventPage:
    """The latest enqueued first. `next`: pass it as `after` for the next page; None at the end.

    A page may hold fewer than asked for, or none, and have a `next`. `total`: None where counting would be dear.
    """

    total: int | None
    next: str | None
    events: list[EventSummary]


class BadCursor(ValueError):
    """The text is no `next` of an event page."""

    def __init__(self) -> None:
        super().__init__("no cursor of this list: pass the `next` of the page before as it is")


# The columns that count events which have ended, and the status of those.
_COUNTED: Final = {
    "accepted": Status.DELIVERED,
    "already_reported": Status.DELIVERED,
    "dead": Status.DEAD,
}
_COLUMNS: Final = tuple(DELIVERIES.c[name] for name in EventSummary.__slots__)
_ORDER: Final = (
    DELIVERIES.c.enqueued_at.desc(),
    DELIVERIES.c.event_id.desc(),
    DELIVERIES.c.reporting_system.desc(),
)


class EventSearch(LedgerPart):
    """Reads of events by filter."""

    def search_events(self, wanted: EventFilter, *, limit: int, after: str | None = None) -> EventPage:
        """A page of events. Raises BadCursor."""
        position = None if after is None else _position(after)
        with reading(self.engine) as connection:
            if wanted.event_id is not None:
                floor = None
                query = _query(wanted, position, limit + 1).where(*_places(wanted.status, wanted.lane))
            else:
                floor = _floor(connection, wanted, position)
                query = _by_index(wanted, position, floor, limit + 1)
            found = connection.execute(query).all()
        events = [EventSummary(**row._mapping) for row in found[:limit]]
        if len(found) > limit:
            last = events[-1]
            return EventPage(None, _cursor((last.enqueued_at, last.event_id, last.reporting_system)), events)
        if floor is not None:
            return EventPage(None, _cursor((floor, "", "")), events)
        return EventPage(len(events) if after is None else None, None, events)

    def count_events(self, wanted: EventFilter) -> int | None:
        """How many there are, the open ones by their index, the others by the counters; None if these do not tell."""
        if wanted != EventFilter(
            status=wanted.status, lane=wanted.lane, reporting_system=wanted.reporting_system
        ):
            return None
        counts = MESSAGE_COUNTS.c
        sums = [
            sa.func.sum(counts[name]) for name, status in _COUNTED.items() if wanted.status in (None, status)
        ]
        ended = sa.select(*sums).where(counts.shard != PRUNED_SHARD)
        states = [status for status in OPEN_STATUSES if wanted.status in (None, status)]
        opened = sa.select(sa.func.count()).select_from(DELIVERIES).where(DELIVERIES.c.status.in_(states))
        if wanted.lane is not None:
            ended = ended.where(counts.lane == wanted.lane.value)
            opened = opened.where(DELIVERIES.c.lane == wanted.lane)
        if wanted.reporting_system is not None:
            system = sa.literal(wanted.reporting_system, DELIVERIES.c.reporting_system.type)
            ended = ended.where(counts.reporting_system == system)
            opened = opened.where(DELIVERIES.c.reporting_system == system)
        with reading(self.engine) as connection:
            numbers = list(connection.execute(ended).one()) if sums else []
            if states:
                numbers.append(connection.execute(opened).scalar_one())
        return sum(int(number or 0) for number in numbers)


def _places(status: Status | None, lane: Lane | None) -> list[sa.ColumnElement[bool]]:
    given = ((DELIVERIES.c.status, status), (DELIVERIES.c.lane, lane))
    return [column == value for column, value in given if value is not None]


def _pairs(wanted: EventFilter) -> Iterator[tuple[Status, Lane]]:
    """What the index is read by: each status and lane for itself."""
    statuses = list(Status) if wanted.status is None else [wanted.status]
    return product(statuses, list(Lane) if wanted.lane is None else [wanted.lane])


def _query(wanted: EventFilter, position: Position | None, limit: int) -> sa.Select[Any]:
    return (
        sa.select(*_COLUMNS)
        .where(*_conditions(wanted), *_span(wanted, position))
        .order_by(*_ORDER)
        .limit(limit)
    )


def _conditions(wanted: EventFilter) -> list[sa.ColumnElement[bool]]:
    event = DELIVERIES.c
    given: tuple[tuple[Any, Any], ...] = (
        (event.event_id, wanted.event_id),
        (event.reporting_system, wanted.reporting_system),
        (event.content_id, wanted.content_id),
        (event.source, wanted.source),
    )
    found: list[sa.ColumnElement[bool]] = [column == value for column, value in given if value is not None]
    if wanted.request_id is not None:
        call = (ATTEMPTS.c.event_id == event.event_id, ATTEMPTS.c.reporting_system == event.reporting_system)
        found.append(sa.exists().where(*call, ATTEMPTS.c.request_id == wanted.request_id))
    return found


def _span(wanted: EventFilter, position: Position | None) -> list[sa.ColumnElement[bool]]:
    """The part of the time that is asked for and that the pages before have not shown."""
    found: list[sa.ColumnElement[bool]] = []
    if wanted.since is not None:
        found.append(DELIVERIES.c.enqueued_at >= utc(wanted.since))
    if wanted.until is not None:
        found.append(DELIVERIES.c.enqueued_at < utc(wanted.until))
    if position is not None:
        at, event_id, system = position
        key = sa.tuple_(DELIVERIES.c.event_id, DELIVERIES.c.reporting_system)
        before: Any = key < sa.tuple_(
            sa.literal(event_id, DELIVERIES.c.event_id.type),
            sa.literal(system, DELIVERIES.c.reporting_system.type),
        )
        found += [DELIVERIES.c.enqueued_at <= at, sa.or_(DELIVERIES.c.enqueued_at < at, before)]
    return found


def _floor(connection: sa.Connection, wanted: EventFilter, position: Position | None) -> datetime | None:
    """How far back this page looks; None: to the beginning, or as far as it takes to fill the page."""
    if not _conditions(wanted):
        return None
    span = _span(wanted, position)
    ends = []
    for status, lane in _pairs(wanted):
        query = (
            sa.select(DELIVERIES.c.enqueued_at)
            .where(*_places(status, lane), *span)
            .order_by(DELIVERIES.c.enqueued_at.desc())
            .limit(1)
            .offset(SCANNED)
        )
        ends.append(connection.execute(query).scalar())
    return max((end for end in ends if end is not None), default=None)


def _by_index(wanted: EventFilter, position: Position | None, floor: datetime | None, limit: int) -> Any:
    """The page, made of one short read of the index for each status and lane."""
    query = _query(wanted, position, limit)
    if floor is not None:
        query = query.where(DELIVERIES.c.enqueued_at >= floor)
    parts = [sa.select(query.where(*_places(*pair)).subquery()) for pair in _pairs(wanted)]
    rows = sa.union_all(*parts).subquery()
    order = (rows.c.enqueued_at.desc(), rows.c.event_id.desc(), rows.c.reporting_system.desc())
    return sa.select(rows).order_by(*order).limit(limit)


def _cursor(position: Position) -> str:
    at, event_id, system = position
    text = json.dumps([at.isoformat(), event_id, system])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _position(cursor: str) -> Position:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        match json.loads(text):
            case [str(at), str(event_id), str(system)]:
                return utc(datetime.fromisoformat(at)), event_id, system
    except (ValueError, RecursionError):
        pass
    raise BadCursor
