"""Outcomes as the report script knows them."""

from typing import assert_never

from gong_worker.domain.outcomes import (
    AlreadyReported,
    Ambiguous,
    Delivered,
    Misconfigured,
    Outcome,
    Rejected,
    ServerError,
    Throttled,
    Unauthorized,
    Unreachable,
)


def verb_of(outcome: Outcome) -> tuple[str, float | None]:
    """The script's verb, and the Retry-After in seconds where the outcome carries one."""
    match outcome:
        case Delivered():
            return "delivered", None
        case AlreadyReported():
            return "already_reported", None
        case Rejected():
            return "rejected", None
        case Throttled(retry_after_seconds=seconds):
            return "throttled", seconds
        case Unauthorized():
            return "unauthorized", None
        case Misconfigured():
            return "misconfigured", None
        case ServerError(retry_after_seconds=seconds):
            return "server_error", seconds
        case Unreachable():
            return "unreachable", None
        case Ambiguous():
            return "ambiguous", None
        case _ as never:
            assert_never(never)
