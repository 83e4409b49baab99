"""Reading `Retry-After` (RFC 9110, section 10.2.3) without trusting it."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MIN_SECONDS = 1.0
# A day and five minutes: the longest wait that Gong's daily limit can mean.
MAX_SECONDS = 86_700.0


def parse_retry_after(value: str | None, response_date: str | None) -> float | None:
    """Seconds to wait, between 1 and 86,700, or None when the header says nothing usable.

    Delta-seconds are ASCII digits only. A date counts from the response's own Date header, because the local
    clock may be wrong; a missing, zero or past value is None: the caller's own backoff decides then.
    """
    text = (value or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        # Longer than nine digits is beyond the ceiling whatever it says; int() of thousands is slow.
        seconds = float(text) if len(text) <= 9 else MAX_SECONDS
    else:
        until, since = _http_date(text), _http_date((response_date or "").strip())
        if until is None or since is None:
            return None
        seconds = (until - since).total_seconds()
    return min(max(seconds, MIN_SECONDS), MAX_SECONDS) if seconds > 0 else None


def _http_date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
