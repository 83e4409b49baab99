"""The one JSON reader for events, whichever way they come in: from Python, over HTTP, from files.

The one exception is a message that a stock Celery producer put on the queue itself: its body is Celery's, and of a
name given twice the last counts, as for Celery.

Refused are texts that two readers could read differently: the same name twice in an object, NaN and infinities,
what is not UTF-8. A lone surrogate is refused by `ViewEvent`, which names the field.
"""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, NoReturn

from gong_views.errors import InvalidViewEvent
from gong_views.validation_errors import WHOLE_EVENT, kind_of

MAX_EVENT_BYTES: Final = 1_000_000
"""The longest event, as JSON in UTF-8. Gong documents no limit; a queue in memory needs one."""
MAX_TEXT_BYTES: Final = 4 * MAX_EVENT_BYTES
"""The longest text of one event: white space and \\u escapes make JSON longer than the event."""
MAX_EVENT_VALUES: Final = 10_000
"""The most values of one event: what an event costs in memory and time depends on them more than on its bytes."""
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # one that does not end goes on to the end
_WHITE_SPACE: Final = re.compile(r"[ \t\n\r]*")


class JsonError(ValueError):
    """A text that is not read as JSON. The message is a predicate ("is not valid JSON: …") and repeats no input."""


def fields_of(data: object) -> dict[str, Any]:
    """The fields of the event in a mapping, or in JSON text or UTF-8 bytes; raises InvalidViewEvent."""
    if isinstance(data, str | bytes | bytearray):
        try:
            data = read_json(data)
        except JsonError as error:
            _invalid(str(error))
    if not isinstance(data, Mapping):
        _invalid(f"must be an object, not {kind_of(data)}")
    if not all(isinstance(name, str) for name in data):
        _invalid("has a field whose name is not a string")
    return dict(data)


def read_json(text: str | bytes | bytearray) -> Any:
    """The value of a JSON text, a byte order mark in front allowed; raises JsonError."""
    if len(text) > MAX_TEXT_BYTES:
        _too_long()
    text = _text(text)
    if count_values(text, MAX_EVENT_VALUES) > MAX_EVENT_VALUES:
        _too_many()
    try:
        return _DECODER.decode(text)
    except (json.JSONDecodeError, RecursionError) as error:
        problem = _problem(error)
    raise JsonError(problem)


def read_array(text: str | bytes | bytearray) -> Iterator[Any]:
    """The items of a JSON array, each read when it is asked for, so that the caller can stop at its limit.

    Raises JsonError at the first place that is not valid; every item before it has been given by then.
    """
    text = _text(text)
    try:
        at = _expect(text, _skip(text, 0), "[")
        if text[at : at + 1] == "]":
            at += 1
        else:
            while True:
                item, end = _DECODER.raw_decode(text, at)
                if end - at > MAX_TEXT_BYTES:
                    _too_long()
                if (
                    end - at > MAX_EVENT_VALUES  # a shorter one cannot have so many
                    and count_values(text[at:end], MAX_EVENT_VALUES) > MAX_EVENT_VALUES
                ):
                    _too_many()
                yield item
                at = _skip(text, end)
                if text[at : at + 1] == "]":
                    at += 1
                    break
                at = _expect(text, at, ",")
        if (at := _skip(text, at)) < len(text):
            raise json.JSONDecodeError("Extra data", text, at)
        return
    except (json.JSONDecodeError, RecursionError) as error:
        problem = _problem(error)
    raise JsonError(problem)


def count_values(text: str, enough: int) -> int:
    """At least the number of values in a JSON text, without reading it: the signs that precede one.

    Those inside of strings do not count, as far as that matters for whether there are more than `enough`.
    """
    number = _signs(text)
    if number <= enough:
        return number
    # Each string is a value or the name of one: there are no more than twice as many strings as values.
    for string in islice(_STRING.finditer(text), 2 * enough):
        number -= _signs(string[0])
        if number <= enough:
            break
    return number


def _signs(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def _text(text: str | bytes | bytearray) -> str:
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        pass
    raise JsonError("is not UTF-8 text")  # outside of `except`: that error holds the text


def _skip(text: str, at: int) -> int:
    """The place of the next character that is no white space."""
    found = _WHITE_SPACE.match(text, at)
    return at if found is None else found.end()


def _expect(text: str, at: int, sign: str) -> int:
    if text[at : at + 1] != sign:
        raise json.JSONDecodeError(f"Expecting '{sign}'", text, at)
    return _skip(text, at + 1)


def _problem(error: json.JSONDecodeError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deeply; flatten it"
    return f"is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise JsonError("has an object with the same name twice; keep one of them")
    return found


def _no_constant(name: str) -> NoReturn:
    raise JsonError(f"holds {name}, which JSON does not have; leave it out")


def _integer(digits: str) -> int | float:
    # Python refuses to read thousands of digits; as an infinity the field that holds them is named.
    return int(digits) if len(digits) < 400 else float(digits)


def _too_long() -> NoReturn:
    raise JsonError(f"is longer than {MAX_TEXT_BYTES:,} bytes of JSON; shorten its texts")


def _too_many() -> NoReturn:
    raise JsonError(f"holds more than {MAX_EVENT_VALUES:,} values; leave some out")


def _invalid(message: str) -> NoReturn:
    raise InvalidViewEvent([{"field": WHOLE_EVENT, "message": message}])


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_integer)
