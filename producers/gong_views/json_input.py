"""From what a backend has in hand, a mapping or JSON text, to the fields of an event."""

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from gong_views.errors import InvalidViewEvent
from gong_views.validation_errors import WHOLE_EVENT, kind_of

MAX_EVENT_BYTES: Final = 1_000_000
"""The longest event, as JSON in UTF-8: what Gong takes is unknown, a queue of longer ones is none."""
MAX_TEXT_BYTES: Final = 4 * MAX_EVENT_BYTES
"""The longest text that is read at all: white space and \\u escapes make JSON longer than the event."""


def fields_of(data: object) -> dict[str, Any]:
    """The fields of the event in a mapping, or in JSON text or UTF-8 bytes; raises InvalidViewEvent."""
    if isinstance(data, str | bytes | bytearray):
        data = _loaded(data)
    if not isinstance(data, Mapping):
        _refuse(f"must be an object, not {kind_of(data)}")
    if not all(isinstance(name, str) for name in data):
        _refuse("has a field whose name is not a string")
    return dict(data)


def _loaded(text: str | bytes | bytearray) -> object:
    if len(text) > MAX_TEXT_BYTES:
        _refuse(f"is longer than {MAX_TEXT_BYTES:,} bytes of JSON; shorten its texts")
    try:
        if not isinstance(text, str):
            text = text.decode()
        return _DECODER.decode(text.removeprefix("\ufeff"))
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    except json.JSONDecodeError as error:
        problem = f"is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})"
    except RecursionError:
        problem = "is nested too deeply; flatten it"
    return _refuse(problem)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        _refuse("has an object with the same name twice; keep one of them")
    return found


def _no_constant(name: str) -> NoReturn:
    _refuse(f"holds {name}, which JSON does not have; leave it out")


def _integer(digits: str) -> int | float:
    # Python refuses to read thousands of digits; as an infinity the field that holds them is named.
    return int(digits) if len(digits) < 400 else float(digits)


def _refuse(message: str) -> NoReturn:
    raise InvalidViewEvent([{"field": WHOLE_EVENT, "message": message}])


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_integer)
