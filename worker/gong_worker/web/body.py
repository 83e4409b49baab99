"""The body of a request, taken apart into events that are not validated yet."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from gong_views.json_input import JsonError, count_values, read_array, read_json
from gong_views.validation_errors import kind_of
from gong_worker.body_settings import MAX_BODY_VALUES

JSON_TYPE: Final = "application/json"
LINES_TYPES: Final = ("application/x-ndjson", "application/jsonl")
_BLANK: Final = re.compile(r"[ \t\r\n]*")


class BadLine(str):
    """A line of NDJSON or item of an array that holds no event; the text says why."""


Candidate = dict[str, Any] | BadLine


def media_type(request: Request) -> str:
    """The content type, if it is one that is read here; HTTPException 415 otherwise."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    if kind not in (JSON_TYPE, *LINES_TYPES):
        raise HTTPException(415, f"send Content-Type {JSON_TYPE} or {LINES_TYPES[0]}")
    charset = re.search(r'charset\s*=\s*"?([^\s";]*)', parameters, re.IGNORECASE)
    if charset is not None and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise HTTPException(415, "send the body in UTF-8")
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise HTTPException(415, "send the body uncompressed")
    return kind


def candidates(body: bytearray, kind: str, *, max_events: int, what: str = "event") -> list[Candidate]:
    """What the body holds; HTTPException 400 if it is unreadable or empty, 413 if that is too much."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise HTTPException(400, "the body is not UTF-8 text") from None
    if count_values(text, MAX_BODY_VALUES) > MAX_BODY_VALUES:
        raise HTTPException(413, f"more than {MAX_BODY_VALUES:,} values: send the {what}s in parts")
    read = _of_json(text, what) if kind == JSON_TYPE else _of_lines(text)
    # One more than allowed is read, not all of them: what is read takes memory.
    found = list(islice(read, max_events + 1))
    if not found:
        raise HTTPException(400, f"the body holds no {what}")
    if len(found) > max_events:
        raise HTTPException(413, f"more than {max_events} {what}s: send them in parts")
    return found


def _of_json(text: str, what: str) -> Iterator[Candidate]:
    try:
        if text.lstrip(" \t\n\r").startswith("["):
            yield from map(_candidate, read_array(text))
            return
        value = read_json(text)
    except JsonError as error:
        raise HTTPException(400, f"the body {error}") from None
    if not isinstance(value, dict):
        raise HTTPException(400, f"the body is neither one {what} (a JSON object) nor an array of {what}s")
    yield value


def _of_lines(text: str) -> Iterator[Candidate]:
    # Not splitlines: that would also split at separators which JSON allows inside of a string.
    at = 0
    while (blank := _BLANK.match(text, at)) is not None and blank.end() < len(text):
        end = text.find("\n", blank.end())
        end = len(text) if end < 0 else end
        yield _of_line(text[blank.end() : end])
        at = end


def _of_line(line: str) -> Candidate:
    try:
        return _candidate(read_json(line))
    except JsonError as error:
        return BadLine(error)


def _candidate(value: Any) -> Candidate:
    return value if isinstance(value, dict) else BadLine(f"must be an object, not {kind_of(value)}")
