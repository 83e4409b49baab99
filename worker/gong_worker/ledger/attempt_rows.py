"""Statements about the attempts of an event."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.ledger.models import ATTEMPTS
from gong_worker.ledger.rows import is_event, of
from gong_worker.ledger.values import AttemptFacts, Claim

# Our own attempt: a number can be given anew after a cancelled one, a token cannot.
_IS_OURS: Final = sa.and_(
    is_event(ATTEMPTS),
    ATTEMPTS.c.attempt_number == bindparam("number"),
    ATTEMPTS.c.claim_token == bindparam("token"),
)
#: Calls whose worker said nothing more: nobody knows whether they reached Gong.
INTERRUPT: Final = (
    sa.update(ATTEMPTS)
    .where(is_event(ATTEMPTS), ATTEMPTS.c.outcome.is_(None))
    .values(outcome=AttemptOutcome.INTERRUPTED)
)
CANCEL: Final = sa.delete(ATTEMPTS).where(
    _IS_OURS, sa.or_(ATTEMPTS.c.outcome.is_(None), ATTEMPTS.c.outcome == AttemptOutcome.INTERRUPTED)
)
_RESULT: Final = ("started_at", "duration_ms", "outcome", "http_status", "request_id", "error")
WRITE_RESULT: Final = (
    sa.update(ATTEMPTS).where(_IS_OURS).values({name: bindparam(f"new_{name}") for name in _RESULT})
)


def ours(claim: Claim, number: int) -> dict[str, Any]:
    """The parameters of CANCEL."""
    return {**of(claim.key), "number": number, "token": claim.token}


def result(claim: Claim, number: int, attempt: AttemptFacts) -> dict[str, Any]:
    """The parameters of WRITE_RESULT."""
    return ours(claim, number) | {f"new_{name}": getattr(attempt, name) for name in _RESULT}
