"""Points in time as Gong wants them: ISO 8601 with an offset, offset and digits kept.

Accepted is any ISO 8601 spelling with an offset (calendar or week date, extended or basic, `24:00`); sent is
always RFC 3339, which every parser reads. A text that already is RFC 3339 goes out exactly as it came in.
Changed is only what Java's parsers, and so Gong's, cannot read, and never the instant: an offset with seconds
or beyond 18 hours becomes UTC; digits below the nanosecond are dropped.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any, Final

from pydantic_core import PydanticCustomError

_TEXT: Final = re.compile(
    r"(?P<date>[\dW-]{8,10})[Tt ]"
    r"(?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
    r"(?P<offset>[Zz]|(?P<sign>[+-])(?P<oh>\d\d)(?::?(?P<om>[0-5]\d)(?::?(?P<os>[0-5]\d))?)?)?",
    re.ASCII,
)
_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,9}))?(?:Z|[+-]\d\d:[0-5]\d)", re.ASCII
)
# Characters that can only be part of a time: a text of others may be somebody's name in the wrong column.
_SHOWABLE: Final = re.compile(r"[0-9TtWZz:+., /-]{1,40}", re.ASCII)
_MAX_CHARACTERS: Final = 100
_MAX_OFFSET: Final = timedelta(hours=18)


class Timestamp(datetime):
    """An aware datetime that knows its RFC 3339 text, which may have more digits than a datetime holds."""

    text: str
    instant: str
    """The same for every spelling of one instant: UTC, no trailing zeros. Event ids are made of it."""

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        if hasattr(self, "text"):
            return timestamp_of_text, (self.text,)
        return super().__reduce_ex__(protocol)  # the result of arithmetic: any other datetime


def timestamp_of(value: object) -> Timestamp:
    """The timestamp that a text or an aware datetime stands for; raises PydanticCustomError, which says what to do."""
    if isinstance(value, str):
        return timestamp_of_text(value)
    if isinstance(value, Timestamp) and hasattr(value, "text"):
        return value
    if isinstance(value, datetime):
        return timestamp_of_datetime(value)
    raise _error('must be an ISO 8601 text such as "2021-08-01T08:00:00Z", or an aware datetime')


def timestamp_of_datetime(value: datetime) -> Timestamp:
    """The timestamp of an aware datetime; a naive one is refused: its instant is anybody's guess."""
    if value.utcoffset() is None:
        raise _error(
            "has no offset, so its instant is unknown; use an aware datetime, e.g. datetime.now(UTC)"
        )
    return _timestamp(value)


def timestamp_of_text(text: str) -> Timestamp:
    """The timestamp of an ISO 8601 text with an offset; `24:00` is the next day's midnight."""
    if (found := _RFC_3339.fullmatch(text)) is not None:
        try:
            return _timestamp(datetime.fromisoformat(text), (found[1] or "")[6:], text)
        except ValueError:  # 24:00, or a date that does not exist
            pass
    found = _TEXT.fullmatch(text) if len(text) <= _MAX_CHARACTERS else None
    if found is None:
        raise _error('is not an ISO 8601 date and time; write it like "2021-08-01T08:00:00Z"', text)
    if found["offset"] is None:
        raise _error('has no offset; end it with "Z" for UTC, or with one like "+05:00"', text)
    fraction = (found["fraction"] or "")[:9]
    hour, minute, second = int(found["hour"]), int(found["minute"] or 0), int(found["second"] or 0)
    next_day = hour == 24 and minute == second == 0 and not fraction.strip("0")
    try:
        of_day = time(
            0 if next_day else hour, minute, second, int(fraction[:6].ljust(6, "0")), _offset(found)
        )
        value = datetime.combine(date.fromisoformat(found["date"]), of_day) + timedelta(days=next_day)
    except (ValueError, OverflowError):
        raise _error("is not a date and time that exists", text) from None
    return _timestamp(value, fraction[6:])


def date_text(value: object) -> str:
    """The wire form of a date, or of a date and time with its offset."""
    if isinstance(value, datetime) or (isinstance(value, str) and len(value) > len("2021-08-01")):
        return timestamp_of(value).text
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise _error('must be an ISO 8601 date, such as "2021-08-01", or a date and time with its offset')


def _timestamp(value: datetime, nanoseconds: str = "", text: str = "") -> Timestamp:
    """`nanoseconds` are the digits behind the microseconds; `text` is the wire form where it is settled."""
    offset = value.utcoffset() or timedelta()
    try:
        utc = value.astimezone(UTC)
    except OverflowError:
        raise _error("lies outside the years 1 to 9999 in UTC") from None
    if offset.seconds % 60 or offset.microseconds or abs(offset) > _MAX_OFFSET:
        value, offset, text = utc, timedelta(), ""
    stamp = Timestamp.combine(value.date(), value.timetz())
    stamp.instant = f"{_local(utc, nanoseconds)}Z"
    zone = value.replace(microsecond=0).isoformat()[19:] if offset else "Z"
    stamp.text = text or f"{_local(value, nanoseconds)}{zone}"
    return stamp


def _local(value: datetime, nanoseconds: str) -> str:
    seconds = value.replace(tzinfo=None, microsecond=0).isoformat()
    digits = f"{value.microsecond:06}{nanoseconds}".rstrip("0")
    return f"{seconds}.{digits}" if digits else seconds


def _offset(found: re.Match[str]) -> timezone:
    if found["sign"] is None:
        return UTC
    delta = timedelta(hours=int(found["oh"]), minutes=int(found["om"] or 0), seconds=int(found["os"] or 0))
    return timezone(-delta if found["sign"] == "-" else delta)


def _error(message: str, text: str = "") -> PydanticCustomError:
    shown = f" (got {text})" if _SHOWABLE.fullmatch(text) else ""
    return PydanticCustomError("timestamp", "{message}", {"message": message + shown})
