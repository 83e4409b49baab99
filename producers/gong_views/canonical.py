"""Canonical JSON, and what is derived from it: the event id and the payload hash.

Close to RFC 8785: keys sorted (by code point), no white space, UTF-8, equal numbers written the same. The
id must never change between releases, or a backend that retries across an upgrade would send an event twice:
a test pins one.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pydantic_core import PydanticCustomError

MAX_DEPTH: Final = 100
"""Levels of objects and arrays in one free-form value; no CRM nests deeper, and a cycle ends here."""
NUMERIC: Final = re.compile(r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$")
"""A decimal number as text, the same in Python's and in JSON schema's regular expressions."""
_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
)
_ID_HEX_DIGITS: Final = 40  # 160 bits: no two events ever share one by chance


def canonical_json(value: Any) -> bytes:
    """The canonical UTF-8 text of a JSON value; raises UnicodeEncodeError at a lone surrogate."""
    return _ENCODER.encode(_plain_numbers(value)).encode()


def derived_event_id(canonical: bytes) -> str:
    """The id of an event that has none of its own: `gv-` and 160 bits of its canonical form's SHA-256."""
    return f"gv-{hashlib.sha256(canonical).hexdigest()[:_ID_HEX_DIGITS]}"


def payload_sha256(wire: Any) -> str:
    """The SHA-256, in hexadecimal, of a payload's canonical JSON: `3` and `3.0`, in any order, are one payload."""
    return hashlib.sha256(canonical_json(wire)).hexdigest()


def json_number(value: object) -> int | float:
    """A number or a numeric text as JSON can carry it: integers exactly, others as the nearest double.

    Raises PydanticCustomError for all else: NaN, an infinity, a magnitude that doubles do not reach, a bool.
    """
    match value:
        case bool():
            raise _error('must be a number, not true or false; send 1 or 0, or use the dataType "string"')
        case int() | float() | Decimal():
            return _finite(value)
        case str() if NUMERIC.fullmatch(value):  # Decimal() alone takes '1_0' and '٣' for numbers
            try:
                return _finite(Decimal(value))
            except InvalidOperation:  # an exponent beyond all measure
                pass
    raise _error(
        'must be a number such as 3.14, without units, separators or spaces (or use the dataType "string")'
    )


def json_value(value: object, depth: int = 0) -> Any:
    """A copy of any JSON value; raises PydanticCustomError for what JSON cannot carry."""
    match value:
        case None | bool():
            return value
        case str():
            return str(value)
        case int() | float() | Decimal():
            return _finite(value)
        case _ if depth >= MAX_DEPTH:
            raise _error(f"is nested deeper than {MAX_DEPTH} levels; flatten it")
        case list() | tuple():
            return [json_value(item, depth + 1) for item in value]
        case Mapping():
            if not all(isinstance(key, str) for key in value):
                raise _error("has an object with a key that is not a string; JSON has no such keys")
            try:
                "".join(value).encode()
            except UnicodeEncodeError:
                raise _error("has a key with a lone surrogate, which UTF-8 cannot encode") from None
            return {key: json_value(item, depth + 1) for key, item in value.items()}
    raise _error("holds something that JSON cannot carry; convert it first, e.g. a date with .isoformat()")


def _finite(value: int | float | Decimal) -> int | float:
    try:
        double = float(value)
    except (OverflowError, ValueError):
        double = math.inf
    if not math.isfinite(double):
        raise _error("must be a finite number below 1.8e308: JSON cannot carry NaN or an infinity")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else double
    return int(value) if isinstance(value, int) else double


def _plain_numbers(value: Any) -> Any:
    """The same value with every whole float as the integer it equals (3.0 and -0.0 are 3 and 0)."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {key: _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _error(message: str) -> PydanticCustomError:
    return PydanticCustomError("json", "{message}", {"message": message})
