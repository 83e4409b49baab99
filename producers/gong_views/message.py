"""The message format: an ordinary Celery message (protocol 2) that any Celery worker on Redis can consume.

The one module that knows it. Version 2 is what this library writes. Version 1 is what a stock Celery
producer sends with `app.send_task("gong_views.deliver", kwargs={"event": {...}})`: no metadata, and not
counted when it was enqueued.

The body is compressed, as Celery's own `task_compression = "gzip"` does it: plain Celery needs four bytes in
Redis for each byte of payload, this needs less than one and a half.
"""

import base64
import binascii
import bz2
import json
import lzma
import os
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import to_json

from gong_views.errors import GongViewsError
from gong_views.names import TASK_NAME, Lane
from gong_views.trace_context import TraceContext

CURRENT_VERSION: Final = 2
VERSIONS: Final = (1, 2)
#: Header of a message that was counted at enqueue; the value is the message version.
COUNTED_HEADER: Final = "gong_views"
#: Header in which a worker notes when it counted in a message that came uncounted (ISO 8601, UTC).
RECEIVED_HEADER: Final = "gong_views_received_at"
#: Longest message id read; Celery's own are UUIDs.
MAX_ID_CHARACTERS: Final = 255
#: Longest name of a producer read; `ViewQueue` takes at most 100.
MAX_SOURCE_CHARACTERS: Final = 255
#: Dead letters are numbered by a signed 64-bit integer.
MAX_REPLAY_OF: Final = 2**63 - 1
#: The years a message may name; wide enough for a host whose clock was never set.
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2199
#: How deep a body may be nested: what has to be written again as JSON must not run out of stack.
MAX_DEPTH: Final = 200
#: Longest body read, in bytes after decompression: a small item must not unpack into all of the memory.
MAX_BODY_BYTES: Final = 16 * 1024 * 1024

_GZIP: Final = "application/x-gzip"  # kombu's name for a zlib stream
_DECOMPRESSORS: Final[dict[str, Callable[[bytes], bytes]]] = {
    _GZIP: lambda data: zlib.decompressobj().decompress(data, MAX_BODY_BYTES + 1),
    "application/x-bz2": lambda data: bz2.BZ2Decompressor().decompress(data, MAX_BODY_BYTES + 1),
    "application/x-lzma": lambda data: lzma.LZMADecompressor().decompress(data, MAX_BODY_BYTES + 1),
}
_ARGUMENTS: Final = frozenset({"version", "event", "enqueued_at", "source", "replay_of"})


class UnreadableMessage(GongViewsError):
    """A queue item that is no message of ours. The text says what is wrong, with nothing of the payload."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message as read: the event as JSON (not yet validated) and what the producer noted about it."""

    message_id: str
    version: int
    event: dict[str, Any]
    enqueued_at: datetime | None
    """When the producer put it on the queue (UTC); for version 1 when a worker counted it in, at first None."""
    source: str | None
    """The name of the producer, if it gave one."""
    replay_of: int | None
    """The dead letter that this message replays."""
    counted: bool
    """Whether it is in the enqueue counts; if not, the worker has to count it (`counted_in`)."""
    eta: datetime | None
    """Not before (UTC): what a stock Celery producer asked for with `eta` or `countdown`."""
    trace: TraceContext | None = None
    """The trace that the producer's enqueue is part of, if it has one."""


def build(
    event_wire: Mapping[str, Any],
    lane: Lane,
    *,
    enqueued_at: datetime,
    source: str | None = None,
    replay_of: int | None = None,
    message_id: str | None = None,
    trace: TraceContext | None = None,
) -> tuple[str, str]:
    """The message id and the queue item (JSON text) of one event in its wire form.

    `enqueued_at` needs an offset (ValueError). Nothing of the event is in the headers; `kwargsrepr` is set
    because Celery logs a repr of the arguments, personal data included, where it is absent.
    """
    if enqueued_at.tzinfo is None:
        raise ValueError("enqueued_at needs an offset")
    kwargs: dict[str, Any] = {
        "version": CURRENT_VERSION,
        "event": event_wire,
        "enqueued_at": enqueued_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    if source is not None:
        kwargs["source"] = source
    if replay_of is not None:
        kwargs["replay_of"] = replay_of
    body = base64.b64encode(_compress(to_json([[], kwargs, {}]))).decode("ascii")
    message_id = message_id or str(uuid.uuid4())
    # A tag of its own: the same message pushed twice is two items, each acknowledged for itself.
    more = "" if trace is None else f",{json.dumps(trace.headers())[1:-1]}"
    return message_id, _ITEM % (body, json.dumps(message_id), more, lane.queue, os.urandom(16).hex())


# Written out, for it costs a fifth of putting it together as a dict each time.
_ITEM: Final = (
    '{"body":"%s","content-type":"application/json","content-encoding":"utf-8",'
    f'"headers":{{"task":"{TASK_NAME}","id":%s,"argsrepr":"-","kwargsrepr":"-",'
    f'"compression":"{_GZIP}","{COUNTED_HEADER}":{CURRENT_VERSION}%s}},'
    '"properties":{"delivery_info":{"exchange":"","routing_key":"%s"},'
    '"delivery_tag":"%s","body_encoding":"base64"}}'
)


def _compress(data: bytes) -> bytes:
    # A small window: setting up zlib's default one takes three times as long as packing an event.
    packer = zlib.compressobj(1, zlib.DEFLATED, 12, 5)
    return packer.compress(data) + packer.flush()


def parse(raw: bytes | str) -> Envelope:
    """Read one queue item, every field within its bounds; raises UnreadableMessage."""
    if len(raw) > 2 * MAX_BODY_BYTES:  # base64 of the longest body, and room for its headers
        raise UnreadableMessage(f"the queue item is longer than {2 * MAX_BODY_BYTES} bytes")
    item = _json(raw, "the queue item")
    if not isinstance(item, dict):
        raise UnreadableMessage("the queue item is no JSON object")
    headers, properties = item.get("headers"), item.get("properties")
    if not isinstance(headers, dict) or not isinstance(properties, dict):
        raise UnreadableMessage(
            "the queue item has no headers or no properties: no Celery message of protocol 2"
        )
    if headers.get("task") != TASK_NAME:
        raise UnreadableMessage(f"the message is not for the task {TASK_NAME}")
    if item.get("content-type") != "application/json":
        raise UnreadableMessage("the content type is not application/json")
    text = _body(item.get("body"), headers, properties)
    body = _json(text, "the body")
    if _opening(text) > MAX_DEPTH and _is_deeper(body, MAX_DEPTH):
        raise UnreadableMessage(f"the body is nested deeper than {MAX_DEPTH} levels")
    if not isinstance(body, list) or len(body) not in (2, 3):
        raise UnreadableMessage("the body is not [args, kwargs, embed]")
    args, kwargs = body[0], body[1]
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise UnreadableMessage("the body is not [args, kwargs, embed]")
    return parse_body(headers, args, kwargs)


def parse_body(headers: Mapping[str, Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Envelope:
    """Read a message that Celery has decoded already; raises UnreadableMessage."""
    message_id = headers.get("id")
    if not isinstance(message_id, str) or not message_id:
        raise UnreadableMessage("the message has no id")
    if len(message_id) > MAX_ID_CHARACTERS:
        raise UnreadableMessage(f"the message's id is longer than {MAX_ID_CHARACTERS} characters")
    if not _is_unicode(message_id):
        raise UnreadableMessage("the message's id is no valid Unicode")
    version = kwargs.get("version", 1)
    if type(version) is not int or version not in VERSIONS:
        raise UnreadableMessage("the message's version is not 1 or 2: upgrade the worker if it is newer")
    if unknown := len(kwargs.keys() - _ARGUMENTS):
        raise UnreadableMessage(f"the task has {unknown} arguments it does not know; it takes event=")
    if version == 1 and len(args) == 1 and "event" not in kwargs:
        event = args[0]
    elif args:
        raise UnreadableMessage("the task takes one event, as args [event] or kwargs {event: ...}")
    else:
        event = kwargs.get("event")
    if not isinstance(event, dict):
        raise UnreadableMessage("the event is no JSON object")
    counted = headers.get(COUNTED_HEADER)
    return Envelope(
        message_id=message_id,
        version=version,
        event=event,
        enqueued_at=_time(kwargs.get("enqueued_at", headers.get(RECEIVED_HEADER)), "enqueued_at"),
        source=_source(kwargs.get("source")),
        replay_of=_replay_of(kwargs.get("replay_of")),
        counted=type(counted) is int and counted >= CURRENT_VERSION,
        eta=_time(headers.get("eta"), "eta"),
        trace=TraceContext.read(headers),
    )


def counted_in(raw: bytes, at: datetime) -> bytes:
    """A readable item that came uncounted, with the note that it was counted in at `at`."""
    item = json.loads(raw)
    item["headers"] |= {COUNTED_HEADER: CURRENT_VERSION, RECEIVED_HEADER: at.astimezone(UTC).isoformat()}
    return json.dumps(item, separators=(",", ":")).encode()


def counted_at(raw: bytes) -> tuple[bool, datetime | None]:
    """Whether an item is in the enqueue counts, and under which time; also of one that `parse` refuses.

    A newer producer's message is counted like any other, although this version cannot read it.
    """
    try:
        item = json.loads(raw)
        headers = item["headers"]
        counted = COUNTED_HEADER in headers
        at = headers.get(RECEIVED_HEADER)
        if counted and at is None:
            body = _json(_body(item.get("body"), headers, item["properties"]), "the body")
            at = body[1].get("enqueued_at")
        return counted, _time(at, "enqueued_at") if counted else None
    except UnreadableMessage:
        return counted, None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return False, None


def _body(body: Any, headers: Mapping[str, Any], properties: Mapping[str, Any]) -> bytes | str:
    if not isinstance(body, str):
        raise UnreadableMessage("the message has no body")
    encoding, compression = properties.get("body_encoding"), headers.get("compression")
    if encoding is None and compression is None:
        return body
    if encoding != "base64":
        raise UnreadableMessage("the body encoding is neither base64 nor absent")
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise UnreadableMessage("the body is no base64") from None
    if compression is not None:
        decompress = _DECOMPRESSORS.get(compression) if isinstance(compression, str) else None
        if decompress is None:
            raise UnreadableMessage("the body's compression is unknown: gzip, bzip2 and lzma are read")
        try:
            data = decompress(data)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError):
            raise UnreadableMessage("the body cannot be decompressed") from None
    if len(data) > MAX_BODY_BYTES:
        raise UnreadableMessage(f"the body is longer than {MAX_BODY_BYTES} bytes")
    return data


def _json(text: bytes | str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # Not chained: a decoding error carries the whole text.
        raise UnreadableMessage(f"{what} is no JSON") from None


def _opening(text: bytes | str) -> int:
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested deeper; in a loop, for recursion is what is to be spared."""
    inner = [value]
    for _ in range(levels):
        inner = [
            part
            for outer in inner
            if isinstance(outer, dict | list)
            for part in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not inner:
            return False
    return any(isinstance(part, dict | list) for part in inner)


def _is_unicode(text: str) -> bool:
    """Whether it can be written as UTF-8: a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _time(value: Any, name: str) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise UnreadableMessage(f"{name} is no ISO 8601 time") from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise UnreadableMessage(f"{name} is not within the years {FIRST_YEAR} to {LAST_YEAR}")
    return moment


def _source(value: Any) -> str | None:
    if value is None or (
        isinstance(value, str) and len(value) <= MAX_SOURCE_CHARACTERS and _is_unicode(value)
    ):
        return value
    raise UnreadableMessage(f"source is no text of at most {MAX_SOURCE_CHARACTERS} characters")


def _replay_of(value: Any) -> int | None:
    if value is None or (type(value) is int and 1 <= value <= MAX_REPLAY_OF):
        return value
    raise UnreadableMessage("replay_of is not the number of a dead letter, 1 to 2^63 - 1")
