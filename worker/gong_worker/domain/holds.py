"""Why the pipeline may be held. The values are the `reason` of `gong-views status`."""

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
