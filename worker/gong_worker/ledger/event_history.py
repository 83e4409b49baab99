"""What happened to one event beside its calls: its deaths, and what operators did with them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.domain.audit import AuditAction
from gong_worker.domain.states import DeadLetterReason, DeadLetterResolution
from gong_worker.ledger import rows
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.models import DEAD_LETTERS, OPERATOR_ACTIONS
from gong_worker.ledger.transactions import reading


@dataclass(frozen=True, slots=True)
class LetterReport:
    """A death of the event, without its payload and Gong's words. `edited`: its replay had another payload."""

    id: int
    message_id: str
    lane: Lane
    source: str | None
    enqueued_at: datetime
    reason: DeadLetterReason
    http_status: int | None
    created_at: datetime
    resolution: DeadLetterResolution | None
    resolved_at: datetime | None
    resolved_by: str | None
    replay_of: int | None
    edited: bool = False


_LETTER: Final = tuple(DEAD_LETTERS.c[name] for name in LetterReport.__slots__ if name != "edited")
_LETTERS: Final = sa.select(*_LETTER).where(rows.is_event(DEAD_LETTERS)).order_by(DEAD_LETTERS.c.id)


class EventHistories(LedgerPart):
    """Reads of one event's letters."""

    def letters_of(self, key: EventKey) -> list[LetterReport]:
        """The deaths of an event, the first one first."""
        with reading(self.engine) as connection:
            found = connection.execute(_LETTERS, rows.of(key)).all()
            return [LetterReport(**row._mapping, edited=_was_edited(connection, row)) for row in found]


def _was_edited(connection: sa.Connection, letter: Any) -> bool:
    """Whether the replay was an edit: the action that this operator's replay is part of is written at its end."""
    if letter.resolution is not DeadLetterResolution.REPLAYED:
        return False
    kinds = (AuditAction.REPLAY.value, AuditAction.EDIT.value)
    query = (
        sa.select(OPERATOR_ACTIONS.c.action)
        .where(
            OPERATOR_ACTIONS.c.action.in_(kinds),
            OPERATOR_ACTIONS.c.by == letter.resolved_by,
            OPERATOR_ACTIONS.c.at >= letter.resolved_at,
        )
        .order_by(OPERATOR_ACTIONS.c.id)
        .limit(1)
    )
    return connection.execute(query).scalar() == AuditAction.EDIT.value
