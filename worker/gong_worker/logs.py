"""One line a record, `key=value` or JSON, each with a stable `action`. No record carries a payload.

Loggers are the standard library's, so that Celery's and kombu's lines go the same way; structlog renders them all.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

from structlog.processors import JSONRenderer
from structlog.stdlib import ExtraAdder, ProcessorFormatter

from gong_worker.display import escape_controls, foreign_id, json_text
from gong_worker.settings import LogSettings

# A field is cut here: an id may be as long as an event, and a line must stay one that can be read.
MAX_CHARACTERS = 500
# Ids that a producer or Gong chose: shown only when they look like ids.
FOREIGN_IDS = ("event_id", "request_id", "message_id")
# Celery tells of every task at INFO; our own line per attempt says more.
QUIET = ("celery.worker.strategy", "celery.app.trace", "celery.redirected", "httpx", "httpcore", "alembic")

Fields = MutableMapping[str, Any]


def formatter(*, as_json: bool = False) -> logging.Formatter:
    """Text for people or JSON for machines, with the record's extras."""
    renderer = JSONRenderer(serializer=_json) if as_json else _text
    # A call of our own each is paid for every attempt, so what belongs to one record is one processor.
    return ProcessorFormatter(foreign_pre_chain=[ExtraAdder()], processors=[_fields, renderer])


def configure(
    *, as_json: bool | None = None, level: int = logging.INFO, stream: TextIO | None = None
) -> None:
    """Send every log record to standard error; as JSON, or as GONG_VIEWS_LOG_FORMAT says. Raises SettingsError."""
    if as_json is None:
        as_json = LogSettings.load().log_format == "json"
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter(as_json=as_json))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # No line says them, and they are looked up for every record.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _fields(_logger: Any, _method: str, event: Fields) -> dict[str, Any]:
    """What a line says, in its order; nothing of it longer than it may be, and no text of an exception."""
    record: logging.LogRecord = event["_record"]
    fields = {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": event["event"],
    }
    for key, value in event.items():
        if value is not None and key not in _INTERNAL:
            fields[key] = _cut(value) if type(value) is str and len(value) > MAX_CHARACTERS else value
    for name in FOREIGN_IDS:
        if isinstance(fields.get(name), str):
            fields[name] = foreign_id(fields[name])
    if (error := event.get("exc_info")) and error[0] is not None:
        fields |= _place(error)
    return fields


_INTERNAL = frozenset(("event", "exc_info", "stack_info", "_record", "_from_structlog"))


def _place(error: Any) -> dict[str, str]:
    # The class and the place, not the text: an exception may quote what it choked on.
    kind, _, trace = error
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = {} if trace is None else {"raised_at": f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"}
    return {"exception": kind.__name__, **place}


def _cut(text: str) -> str:
    return f"{text[:MAX_CHARACTERS]}… ({len(text)} characters)"


def _json(fields: Any, **_: Any) -> str:
    return json_text(fields)


def _text(_logger: Any, _method: str, fields: Fields) -> str:
    head = f"{fields.pop('at')} {fields.pop('level'):7} {escape_controls(fields.pop('message'))}"
    return head + "".join(f" {key}={_quoted(value)}" for key, value in fields.items())


def _quoted(value: object) -> str:
    text = str(value)
    return text if _BARE.fullmatch(text) and text.isprintable() else json_text(text)


_BARE = re.compile(r'[^ "=]+')
