"""Statements about the attempts of an event."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.ledger.models import Attempt
from gong_worker.ledger.rows import is_event, of
from gong_worker.ledger.values import AttemptFacts, Claim

# Our own attempt: a number can be given anew after a cancelled one, a token cannot.
_IS_OURS: Final = sa.and_(
    is_event(Attempt),
    Attempt.attempt_number == bindparam("number"),
    Attempt.claim_token == bindparam("token"),
)
#: Calls whose worker said nothing more: nobody knows whether they reached Gong.
INTERRUPT: Final = (
    sa.update(Attempt)
    .where(is_event(Attempt), Attempt.outcome.is_(None))
    .values(outcome=AttemptOutcome.INTERRUPTED)
)
CANCEL: Final = sa.delete(Attempt).where(
    _IS_OURS, sa.or_(Attempt.outcome.is_(None), Attempt.outcome == AttemptOutcome.INTERRUPTED)
)
_RESULT: Final = ("started_at", "duration_ms", "outcome", "http_status", "request_id", "error")
WRITE_RESULT: Final = (
    sa.update(Attempt).where(_IS_OURS).values({name: bindparam(f"new_{name}") for name in _RESULT})
)


def ours(claim: Claim, number: int) -> dict[str, Any]:
    """The parameters of CANCEL."""
    return {**of(claim.key), "number": number, "token": claim.token}


def result(claim: Claim, number: int, attempt: AttemptFacts) -> dict[str, Any]:
    """The parameters of WRITE_RESULT."""
    return ours(claim, number) | {f"new_{name}": getattr(attempt, name) for name in _RESULT}
