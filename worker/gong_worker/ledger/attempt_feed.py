"""Calls of all events as they come, for whoever follows them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from gong_views.names import Lane
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.columns import utc
from gong_worker.ledger.models import ATTEMPTS, DELIVERIES
from gong_worker.ledger.transactions import reading


class AttemptKey(NamedTuple):
    """One call; a number can be given anew after a cancelled one, a token cannot."""

    event_id: str
    reporting_system: str
    attempt_number: int
    claim_token: str


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One call and the event it is of. `outcome` None: it is in flight, or waits for its slot."""

    started_at: datetime
    reporting_system: str
    event_id: str
    attempt_number: int
    outcome: AttemptOutcome | None
    http_status: int | None
    duration_ms: int | None
    request_id: str | None
    error: str | None
    lane: Lane
    source: str | None
    content_id: str


@dataclass(frozen=True, slots=True)
class AttemptFilter:
    """Which calls are meant; what is None does not matter."""

    reporting_system: str | None = None
    content_id: str | None = None
    source: str | None = None
    lane: Lane | None = None
    outcome: AttemptOutcome | None = None


_KEY: Final = tuple(ATTEMPTS.c[name] for name in AttemptKey._fields)
_EVENT: Final = ("lane", "source", "content_id")
_LINE: Final = tuple((DELIVERIES if name in _EVENT else ATTEMPTS).c[name] for name in AttemptLine.__slots__)
_CALLS: Final = sa.select(ATTEMPTS.c.claim_token, *_LINE).join(
    DELIVERIES,
    sa.and_(
        DELIVERIES.c.event_id == ATTEMPTS.c.event_id,
        DELIVERIES.c.reporting_system == ATTEMPTS.c.reporting_system,
    ),
)


class AttemptFeed(LedgerPart):
    """Reads of calls by time."""

    def attempts_since(
        self,
        since: datetime,
        wanted: AttemptFilter,
        also: Collection[AttemptKey] = (),
        *,
        limit: int | None = None,
    ) -> dict[AttemptKey, AttemptLine]:
        """The calls begun since, and those of `also` that are still there, in the order of their beginnings.

        limit: no more than the first of those begun since.
        """
        query = _CALLS.where(ATTEMPTS.c.started_at >= utc(since), *_conditions(wanted))
        if limit is not None:
            query = query.order_by(ATTEMPTS.c.started_at).limit(limit)
        with reading(self.engine) as connection:
            found = connection.execute(query).all()
            if also:
                found = [*connection.execute(_CALLS.where(sa.tuple_(*_KEY).in_(also))).all(), *found]
        lines: dict[AttemptKey, AttemptLine] = {}
        for row in sorted(found, key=lambda row: row.started_at):
            token, *line = row
            known = AttemptLine(*line)
            lines[AttemptKey(known.event_id, known.reporting_system, known.attempt_number, token)] = known
        return lines


def _conditions(wanted: AttemptFilter) -> list[sa.ColumnElement[bool]]:
    given: tuple[tuple[Any, Any], ...] = (
        (ATTEMPTS.c.reporting_system, wanted.reporting_system),
        (DELIVERIES.c.content_id, wanted.content_id),
        (DELIVERIES.c.source, wanted.source),
        (DELIVERIES.c.lane, wanted.lane),
    )
    found: list[sa.ColumnElement[bool]] = [column == value for column, value in given if value is not None]
    if wanted.outcome is not None:  # one that is in flight may still come to it
        found.append(sa.or_(ATTEMPTS.c.outcome.is_(None), ATTEMPTS.c.outcome == wanted.outcome))
    return found
