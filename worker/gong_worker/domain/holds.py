"""Whether calls are made, and why not. The values are the `state` and `reason` of `gong-views status`."""

from enum import StrEnum


class HoldReason(StrEnum):
    """Every reason the gate can give for letting no call through."""

    RETRY_AFTER = "retry_after"
    DAILY_QUOTA = "daily_quota"
    BREAKER = "breaker"
    UNAUTHORIZED = "unauthorized"
    MISCONFIGURED = "misconfigured"
    REJECTIONS = "rejections"
    OPERATOR = "operator"


class GateState(StrEnum):
    """Whether a call may be made now."""

    OPEN = "open"
    HELD = "held"
    UNAVAILABLE = "unavailable"  # Redis does not answer, or refuses the writes without which no call is made


# Holds that one probe ends when its call succeeds; `until` is when it may try, which promises nothing.
PROBED = frozenset({HoldReason.BREAKER, HoldReason.UNAUTHORIZED, HoldReason.MISCONFIGURED})


def open_end(reason: HoldReason, note: str) -> str:
    """What ends a hold without a time: a release, or what its note says."""
    return f": {note}" if reason in PROBED else " until it is released"
