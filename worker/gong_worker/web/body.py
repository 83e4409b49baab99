"""The body of a request: read within limits, taken apart into events that are not validated yet."""

import json
import re
from typing import Any, Final, NoReturn

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

JSON_TYPE: Final = "application/json"
LINES_TYPES: Final = ("application/x-ndjson", "application/jsonl")


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


async def read_body(request: Request, *, max_bytes: int, seconds: float) -> bytes:
    """The whole body, of a declared length or chunked; HTTPException 413, or 408 when it does not come."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > max_bytes:
        _too_long(max_bytes)
    body = bytearray()
    try:
        with anyio.fail_after(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    _too_long(max_bytes)
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {seconds:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the body ended early") from None
    return bytes(body)


def _too_long(max_bytes: int) -> NoReturn:
    raise HTTPException(413, f"the body is longer than {max_bytes} bytes: send it in parts")


def candidates(body: bytes, kind: str, *, max_events: int) -> list[Candidate]:
    """What the body holds; HTTPException 400 if it is unreadable or empty, 413 if that is too much."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise HTTPException(400, "the body is not UTF-8") from None
    found = _of_json(text) if kind == JSON_TYPE else _of_lines(text)
    if not found:
        raise HTTPException(400, "the body holds no event")
    if len(found) > max_events:
        raise HTTPException(413, f"more than {max_events} events: send them in parts")
    return found


def _of_json(text: str) -> list[Candidate]:
    try:
        value = _loads(text)
    except ValueError as error:
        raise HTTPException(400, f"the body is {error}") from None
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list):
        return [item if isinstance(item, dict) else BadLine("no JSON object") for item in value]
    raise HTTPException(400, "the body is neither an event (a JSON object) nor an array of events")


def _of_lines(text: str) -> list[Candidate]:
    # Not splitlines: that would also split at separators which JSON allows inside of a string.
    return [_of_line(line) for line in text.split("\n") if line.strip()]


def _of_line(line: str) -> Candidate:
    try:
        value = _loads(line)
    except ValueError as error:
        return BadLine(error)
    return value if isinstance(value, dict) else BadLine("no JSON object")


def _loads(text: str) -> Any:
    """ValueError with a text that repeats nothing of the input."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise ValueError("no JSON that can be read") from None


def _no_constant(_: str) -> NoReturn:
    raise ValueError
