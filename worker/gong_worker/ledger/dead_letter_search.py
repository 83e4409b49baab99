"""Dead letters by filter: pages, groups, and the pages of a bulk action."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from gong_views.names import Lane
from gong_worker.domain.states import DeadLetterReason, DeadLetterResolution, DeadLetterState
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.dead_letters import letter_of
from gong_worker.ledger.errors import DeadLetterGroupNotFound
from gong_worker.ledger.models import DEAD_LETTERS, DELIVERIES
from gong_worker.ledger.transactions import reading
from gong_worker.ledger.values import DeadLetter


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which letters are meant; what is None does not matter. Every condition has to hold.

    ids: these letters, whatever their state. contains: in the error texts or in the payload, whatever its case.
    content_id: of the event as the ledger has it. since, until: when it died, from and before. group: a group's id;
    every read raises DeadLetterGroupNotFound for one that no letter of any state has.
    """

    ids: tuple[int, ...] | None = None
    reason: DeadLetterReason | None = None
    contains: str | None = None
    http_status: int | None = None
    reporting_system: str | None = None
    content_id: str | None = None
    source: str | None = None
    lane: Lane | None = None
    since: datetime | None = None
    until: datetime | None = None
    group: str | None = None
    state: DeadLetterState = DeadLetterState.OPEN

    @property
    def looks_into_each(self) -> bool:
        """Whether no index tells which are meant."""
        return self.contains is not None or self.content_id is not None


@dataclass(frozen=True, slots=True)
class DeadLetterSummary:
    """A dead letter without its payload. `group`: the id of its group."""

    id: int
    reporting_system: str | None
    event_id: str | None
    message_id: str
    lane: Lane
    source: str | None
    enqueued_at: datetime
    reason: DeadLetterReason
    http_status: int | None
    request_id: str | None
    errors: list[str]
    error_kind: str | None
    group: str
    created_at: datetime
    resolution: DeadLetterResolution | None
    resolved_at: datetime | None
    resolved_by: str | None
    replay_of: int | None


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """Oldest first. `next`: pass it as `after_id` for the next page; None at the end.

    A page that looks into the letters one by one (for a text, or a content id) may hold fewer than asked for, or none,
    and have a `next`. `total`: None where counting would mean to look into all of them.
    """

    total: int | None
    next: int | None
    dead_letters: list[DeadLetterSummary]


@dataclass(frozen=True, slots=True)
class DeadLetterGroup:
    """Letters that failed alike. `example_id`: the latest of them."""

    group: str
    reason: DeadLetterReason
    http_status: int | None
    error_kind: str
    count: int
    first_at: datetime
    last_at: datetime
    example_id: int


SCANNED: Final = 4_000
"""Letters that are looked into for one page, where no index tells which are meant."""

MOST_KNOWN: Final = 10_000
_known_groups: dict[str, tuple[DeadLetterReason, int | None, str]] = {}

_WORDLESS: Final = tuple(
    DEAD_LETTERS.c[name] for name in DeadLetterSummary.__slots__ if name not in ("group", "errors")
)
_SUMMARY: Final = (*_WORDLESS, DEAD_LETTERS.c.errors)
# As they stand in ix_dead_letters_group, so that the rows come from it in this order.
_GROUP: Final = (DEAD_LETTERS.c.reason, DEAD_LETTERS.c.http_status, DEAD_LETTERS.c.error_kind)


def group_id(reason: str, http_status: int | None, error_kind: str | None) -> str:
    """The id of a group: the same for the same failure, on every machine."""
    text = json.dumps([str(reason), http_status, error_kind or ""])
    return hashlib.sha256(text.encode()).hexdigest()[:10]


class DeadLetterSearch(LedgerPart):
    """Reads of dead letters by filter."""

    def search_dead_letters(
        self, wanted: DeadLetterFilter, *, limit: int, after_id: int = 0, errors: bool = True
    ) -> DeadLetterPage:
        """A page of letters without their payloads, and how many there are in all if an index tells.

        `errors` False: without Gong's words, too, which may quote the payload; a role that reads nothing personal has
        no right on them.
        """
        with reading(self.engine) as connection:
            conditions, total, last = _conditions(connection, wanted), None, None
            if wanted.looks_into_each:
                last = _scanned_to(connection, wanted, after_id)
                if last is not None:
                    conditions.append(DEAD_LETTERS.c.id <= last)
            else:
                total = connection.execute(_count(conditions)).scalar_one()
            query = _page(_SUMMARY if errors else _WORDLESS, conditions, after_id, limit + 1)
            rows = connection.execute(query).all()
        found = [
            DeadLetterSummary(
                **{"errors": [], **row._mapping}, group=group_id(row.reason, row.http_status, row.error_kind)
            )
            for row in rows[:limit]
        ]
        further = found[-1].id if len(rows) > limit else last
        if wanted.looks_into_each and after_id == 0 and further is None:
            total = len(found)
        return DeadLetterPage(total, further, found)

    def read_dead_letters(
        self, wanted: DeadLetterFilter, *, limit: int, after_id: int = 0, up_to_id: int | None = None
    ) -> list[DeadLetter]:
        """A page of letters with their payloads, oldest first: for what is done to each of them."""
        with reading(self.engine) as connection:
            conditions = _conditions(connection, wanted)
            if up_to_id is not None:
                conditions.append(DEAD_LETTERS.c.id <= up_to_id)
            columns = tuple(DEAD_LETTERS.columns)
            rows = connection.execute(_page(columns, conditions, after_id, limit)).all()
        return [letter_of(row) for row in rows]

    def dead_letter_groups(self, wanted: DeadLetterFilter) -> list[DeadLetterGroup]:
        """Letters that failed alike, the largest group first."""
        with reading(self.engine) as connection:
            rows = _groups(connection, _conditions(connection, wanted))
        return sorted(rows, key=lambda group: (-group.count, group.example_id))

    def count_dead_letters(self, wanted: DeadLetterFilter) -> tuple[int, int, int | None]:
        """How many letters, how many events they stand for, and the highest number among them."""
        events = sa.func.count(sa.distinct(DEAD_LETTERS.c.reporting_system + "\n" + DEAD_LETTERS.c.event_id))
        nameless = sa.func.count().filter(DEAD_LETTERS.c.event_id.is_(None))
        with reading(self.engine) as connection:
            conditions = _conditions(connection, wanted)
            query = sa.select(sa.func.count(), events + nameless, sa.func.max(DEAD_LETTERS.c.id))
            letters, calls, last = connection.execute(query.where(*conditions)).one()
        return letters, calls, last


def _conditions(connection: sa.Connection, wanted: DeadLetterFilter) -> list[sa.ColumnElement[bool]]:
    row = DEAD_LETTERS.c
    found: list[sa.ColumnElement[bool]] = []
    for column, value in (
        (row.reason, wanted.reason),
        (row.http_status, wanted.http_status),
        (row.reporting_system, wanted.reporting_system),
        (row.source, wanted.source),
        (row.lane, wanted.lane),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.ids is not None:
        found.append(row.id.in_(wanted.ids))
    elif wanted.state is DeadLetterState.OPEN:
        found.append(row.resolution.is_(None))
    elif wanted.state is not DeadLetterState.ALL:
        found.append(row.resolution == DeadLetterResolution(wanted.state.value))
    if wanted.since is not None:
        found.append(row.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(row.created_at < wanted.until)
    if wanted.contains is not None:
        # Both columns are JSON text: what is looked for stands in them as JSON writes it.
        needle = json.dumps(wanted.contains, ensure_ascii=False)[1:-1]
        texts = (sa.type_coerce(column, sa.Text) for column in (row.errors, row.payload))
        found.append(sa.or_(*(text.icontains(needle, autoescape=True) for text in texts)))
    if wanted.content_id is not None:
        of_event = (
            DELIVERIES.c.event_id == row.event_id,
            DELIVERIES.c.reporting_system == row.reporting_system,
        )
        found.append(sa.exists().where(*of_event, DELIVERIES.c.content_id == wanted.content_id))
    if wanted.group is not None:
        found.append(_in_group(connection, wanted))
    return found


def _scanned_to(connection: sa.Connection, wanted: DeadLetterFilter, after_id: int) -> int | None:
    """The last letter to look into for a page; None if there are not so many left."""
    cheap = _conditions(connection, replace(wanted, contains=None, content_id=None))
    query = _page((DEAD_LETTERS.c.id,), cheap, after_id, 1).offset(SCANNED - 1)
    last: int | None = connection.execute(query).scalar()
    return last


def _in_group(connection: sa.Connection, wanted: DeadLetterFilter) -> sa.ColumnElement[bool]:
    """The columns that a group's id stands for, found among the groups of the letters in that state, or in any."""
    assert wanted.group is not None, "it is asked for"
    for state in dict.fromkeys((wanted.state, DeadLetterState.ALL)):
        if wanted.group not in _known_groups:
            query = (
                sa.select(*_GROUP).where(*_conditions(connection, DeadLetterFilter(state=state))).distinct()
            )
            for columns in connection.execute(query):
                _remember(group_id(*columns), *columns)
    known = _known_groups.get(wanted.group)
    if known is None:
        raise DeadLetterGroupNotFound(wanted.group)
    reason, http_status, kind = known
    # Letters of before there were kinds have none.
    kinds = [DEAD_LETTERS.c.error_kind == kind]
    kinds += [] if kind else [DEAD_LETTERS.c.error_kind.is_(None)]
    return sa.and_(DEAD_LETTERS.c.reason == reason, DEAD_LETTERS.c.http_status == http_status, sa.or_(*kinds))


def _remember(name: str, reason: DeadLetterReason, http_status: int | None, kind: str | None) -> None:
    """An id is a digest of its columns: what it stands for never changes, so it is looked for once a process."""
    if len(_known_groups) >= MOST_KNOWN:
        _known_groups.clear()
    _known_groups[name] = reason, http_status, kind or ""


def _groups(connection: sa.Connection, conditions: Sequence[sa.ColumnElement[bool]]) -> list[DeadLetterGroup]:
    row = DEAD_LETTERS.c
    query = (
        sa.select(
            *_GROUP,
            sa.func.count(),
            sa.func.min(row.created_at),
            sa.func.max(row.created_at),
            sa.func.max(row.id),
        )
        .where(*conditions)
        .group_by(*_GROUP)
    )
    found: dict[str, DeadLetterGroup] = {}
    for reason, status, kind, count, first, last, example in connection.execute(query):
        name = group_id(reason, status, kind)
        _remember(name, reason, status, kind)
        group = DeadLetterGroup(name, reason, status, kind or "", count, first, last, example)
        found[name] = _together(found[name], group) if name in found else group
    return list(found.values())


def _together(one: DeadLetterGroup, other: DeadLetterGroup) -> DeadLetterGroup:
    """A group whose letters have no kind, or an empty one."""
    return replace(
        one,
        count=one.count + other.count,
        first_at=min(one.first_at, other.first_at),
        last_at=max(one.last_at, other.last_at),
        example_id=max(one.example_id, other.example_id),
    )


def _count(conditions: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(DEAD_LETTERS).where(*conditions)


def _page(
    columns: Sequence[Any], conditions: Sequence[sa.ColumnElement[bool]], after_id: int, limit: int
) -> sa.Select[Any]:
    return (
        sa.select(*columns)
        .where(*conditions, DEAD_LETTERS.c.id > after_id)
        .order_by(DEAD_LETTERS.c.id)
        .limit(limit)
    )
