"""Column types that hold the same value exactly on SQLite and on PostgreSQL."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

# PostgreSQL cannot index more than 2,704 bytes a row; two keys of this length fit beside each other.
MAX_KEY_BYTES: Final = 1000

_ESCAPE: Final = "\N{SYMBOL FOR NULL}"
_LONGEST_ESCAPE: Final = 7  # bytes that a character may take
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff␀]")
_ESCAPED: Final = re.compile("␀(␀|0|d[89a-f][0-9a-f]{2})")


def escape(text: str) -> str:
    """`text` without what PostgreSQL or UTF-8 cannot hold; lossless, and the same for all ordinary text.

    NUL becomes `␀0`, a lone surrogate `␀` and its four hex digits, and `␀` itself `␀␀`.
    """

    return _UNSTORABLE.sub(_escaped, text) if _UNSTORABLE.search(text) else text


def _escaped(match: re.Match[str]) -> str:
    char = match[0]
    if char == "\x00":
        return f"{_ESCAPE}0"
    return _ESCAPE * 2 if char == _ESCAPE else f"{_ESCAPE}{ord(char):04x}"


def unescape(text: str) -> str:
    """The text that `escape` was given."""

    def replace(match: re.Match[str]) -> str:
        code = match[1]
        if code == _ESCAPE:
            return _ESCAPE
        return "\x00" if code == "0" else chr(int(code, 16))

    return _ESCAPED.sub(replace, text)


def bounded(text: str) -> str:
    """`text`, or its first 100 characters and its SHA-256 when it is too long to be indexed."""
    if len(text) * _LONGEST_ESCAPE <= MAX_KEY_BYTES:
        return text
    stored = escape(text).encode()
    if len(stored) <= MAX_KEY_BYTES:
        return text
    return f"{text[:100]}…sha256:{hashlib.sha256(stored).hexdigest()}"


def json_text(value: Any) -> str:
    """`value` as JSON text that both databases can store; NUL and lone surrogates are JSON escapes in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return json.dumps(value, separators=(",", ":")) if _UNSTORABLE.search(text) else text


def utc(moment: datetime) -> datetime:
    """`moment` in UTC; ValueError when it has no offset. At the calendar's edge, as it reads."""
    if moment.utcoffset() is None:
        raise ValueError("a time without an offset: pass a timezone-aware datetime")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return moment.replace(tzinfo=UTC)


class SafeText(sa.types.TypeDecorator[str]):
    """Any Python string, NUL and lone surrogates included (see `escape`)."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else escape(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else unescape(value)


class KeyText(SafeText):
    """A string that is indexed: as SafeText, and shortened beyond MAX_KEY_BYTES (see `bounded`)."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else escape(bounded(value))


class JsonText(sa.types.TypeDecorator[Any]):
    """A JSON value kept as the text it is, so that numbers and key order stay exact."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def _utc_or_none(moment: datetime | None) -> datetime | None:
    return None if moment is None else utc(moment)


def _sqlite_text(moment: datetime | None) -> str | None:
    return None if moment is None else utc(moment).replace(tzinfo=None).isoformat(" ", "microseconds")


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A moment in UTC: `timestamptz` on PostgreSQL, text `YYYY-MM-DD HH:MM:SS.ffffff` on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        # SQLAlchemy's own writes the same text and takes four times as long.
        return _sqlite_text if dialect.name == "sqlite" else _utc_or_none

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Word(sa.types.TypeDecorator[Any]):
    """A member of a closed vocabulary, kept as its value."""

    impl = sa.String
    cache_ok = True

    def __init__(self, vocabulary: type[StrEnum], length: int) -> None:
        super().__init__(length)
        self.vocabulary = vocabulary

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else self.vocabulary(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.vocabulary(value)
