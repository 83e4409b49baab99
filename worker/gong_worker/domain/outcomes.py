"""The closed set of outcomes one call to Gong can have.

`gong_worker.gong` is the only place that makes one from a status code; everything after it matches on
these classes and ends in `assert_never`, so that an unknown answer can never pass for a success.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Delivered:
    """2xx with Gong's requestId: Gong has the event."""

    http_status: int
    request_id: str | None = None
    integration_id: int | None = None


@dataclass(frozen=True, slots=True)
class AlreadyReported:
    """409: Gong had the event before this call."""

    http_status: int = 409
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """400, 413, 415, 422: Gong will never take this event as it is."""

    http_status: int
    request_id: str | None = None
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Throttled:
    """429: the company's budget is spent for now. `retry_after_seconds` is None without a usable header."""

    http_status: int = 429
    request_id: str | None = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Unauthorized:
    """401, 403: the credential is refused, whatever the event."""

    http_status: int
    request_id: str | None = None
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """3xx, 404, 405 and any other answer this endpoint never gives: the base URL is wrong, not the event."""

    http_status: int
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class ServerError:
    """408, 5xx: Gong's fault. The event may or may not have been taken."""

    http_status: int
    request_id: str | None = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The request was never sent: refused, DNS, TLS, connect timeout."""

    error: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The request was sent, or may have been, and no answer of Gong's came back.

    `http_status` is that of a 2xx without a requestId: a portal's or a proxy's, until a 409 says otherwise.
    """

    error: str
    http_status: int | None = None


Outcome = (
    Delivered
    | AlreadyReported
    | Rejected
    | Throttled
    | Unauthorized
    | Misconfigured
    | ServerError
    | Unreachable
    | Ambiguous
)


class AttemptOutcome(StrEnum):
    """How one call ended. The value is the ledger's `attempts.outcome` and the log's `outcome`."""

    DELIVERED = "delivered"
    ALREADY_REPORTED = "already_reported"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    UNAUTHORIZED = "unauthorized"
    MISCONFIGURED = "misconfigured"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"
    AMBIGUOUS = "ambiguous"
    # The worker died during the call; the event may have arrived. Written by whoever takes the claim over.
    INTERRUPTED = "interrupted"


OUTCOME_NAMES: dict[type, AttemptOutcome] = {
    Delivered: AttemptOutcome.DELIVERED,
    AlreadyReported: AttemptOutcome.ALREADY_REPORTED,
    Rejected: AttemptOutcome.REJECTED,
    Throttled: AttemptOutcome.THROTTLED,
    Unauthorized: AttemptOutcome.UNAUTHORIZED,
    Misconfigured: AttemptOutcome.MISCONFIGURED,
    ServerError: AttemptOutcome.SERVER_ERROR,
    Unreachable: AttemptOutcome.UNREACHABLE,
    Ambiguous: AttemptOutcome.AMBIGUOUS,
}


def outcome_name(outcome: Outcome) -> AttemptOutcome:
    """The stable name of an outcome, as the ledger's `attempts.outcome` and the log use it."""
    return OUTCOME_NAMES[type(outcome)]
