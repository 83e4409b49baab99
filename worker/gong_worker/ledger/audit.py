"""The audit: one row for every change an operator made, and for every payload an operator saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Required, TypedDict, Unpack

import sqlalchemy as sa

from gong_worker.domain.audit import AuditAction
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.models import OPERATOR_ACTIONS
from gong_worker.ledger.transactions import reading, writing


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action. `target`: what it was done to, e.g. the filter; `count`: to how many."""

    id: int
    at: datetime
    by: str
    action: AuditAction
    target: Any | None
    count: int
    reason: str | None
    details: Any | None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of entries, the latest first. `next`: pass it as `before_id` for the next page; None at the end."""

    total: int
    next: int | None
    entries: list[AuditEntry]


class ActionFacts(TypedDict, total=False):
    """What a row of `operator_actions` says beside the action: of how many (1), on what, why, and what else."""

    by: Required[str]
    at: Required[datetime]
    count: int
    target: Mapping[str, Any] | None
    reason: str | None
    details: Mapping[str, Any] | None


def audit_row(action: AuditAction, **facts: Unpack[ActionFacts]) -> dict[str, Any]:
    """A row of `operator_actions`, for a transaction in which there is more."""
    target, details = facts.get("target"), facts.get("details")
    return {
        "action": action.value,
        "by": facts["by"],
        "at": facts["at"],
        "count": facts.get("count", 1),
        "target": None if target is None else dict(target),
        "reason": facts.get("reason"),
        "details": None if details is None else dict(details),
    }


class Audit(LedgerPart):
    """Rows of `operator_actions`; nothing personal is in one."""

    def record_action(self, action: AuditAction, **facts: Unpack[ActionFacts]) -> None:
        """Add a row."""
        with writing(self.engine) as connection:
            connection.execute(sa.insert(OPERATOR_ACTIONS).values(audit_row(action, **facts)))

    def operator_limits(self) -> dict[str, float]:
        """The limits that operators have set and not unset, by name."""
        changes = (AuditAction.LIMITS.value, AuditAction.UNSET_LIMITS.value)
        query = (
            sa.select(OPERATOR_ACTIONS.c.action, OPERATOR_ACTIONS.c.details)
            .where(OPERATOR_ACTIONS.c.action.in_(changes))
            .order_by(OPERATOR_ACTIONS.c.id)
        )
        limits: dict[str, float] = {}
        with reading(self.engine) as connection:
            for action, details in connection.execute(query):
                if action == AuditAction.LIMITS:
                    limits |= details
                else:
                    for name in details["names"]:
                        limits.pop(name, None)
        return limits

    def list_actions(
        self,
        *,
        limit: int,
        before_id: int | None = None,
        action: AuditAction | None = None,
        by: str | None = None,
    ) -> AuditPage:
        """A page of what was done, the latest first."""
        wanted: list[sa.ColumnElement[bool]] = []
        if action is not None:
            wanted.append(OPERATOR_ACTIONS.c.action == action.value)
        if by is not None:
            wanted.append(OPERATOR_ACTIONS.c.by == by)
        page = [] if before_id is None else [OPERATOR_ACTIONS.c.id < before_id]
        query = (
            sa.select(*OPERATOR_ACTIONS.columns)
            .where(*wanted, *page)
            .order_by(OPERATOR_ACTIONS.c.id.desc())
            .limit(limit + 1)
        )
        with reading(self.engine) as connection:
            total = connection.execute(
                sa.select(sa.func.count()).select_from(OPERATOR_ACTIONS).where(*wanted)
            ).scalar_one()
            rows = connection.execute(query).all()
        entries = [AuditEntry(**{**row._mapping, "action": AuditAction(row.action)}) for row in rows[:limit]]
        return AuditPage(total, entries[-1].id if len(rows) > limit else None, entries)
