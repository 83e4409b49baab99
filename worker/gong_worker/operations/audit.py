"""Who did what: every change by an operator, and every payload that somebody saw."""

from gong_worker.domain.audit import AuditAction
from gong_worker.ledger import AuditPage, Ledger


def list_actions(
    ledger: Ledger,
    *,
    limit: int,
    before_id: int | None = None,
    action: AuditAction | None = None,
    by: str | None = None,
) -> AuditPage:
    """A page of the audit, the latest first, with the total and the next page's cursor."""
    return ledger.list_actions(limit=limit, before_id=before_id, action=action, by=by)
