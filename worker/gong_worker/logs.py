"""One line a record, `key=value` or JSON, each with a stable `action`. No record carries a payload."""

import logging
import sys
import time
from typing import Any, TextIO

from gong_worker.display import escape_controls, foreign_id, json_text
from gong_worker.settings import LogSettings

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# A field is cut here: an id may be as long as an event, and a line must stay one that can be read.
MAX_CHARACTERS = 500
# Ids that a producer or Gong chose: shown only when they look like ids.
FOREIGN_IDS = ("event_id", "request_id", "message_id")
# Celery tells of every task at INFO; our own line per attempt says more.
QUIET = ("celery.worker.strategy", "celery.app.trace", "celery.redirected", "httpx", "httpcore", "alembic")


class LineFormatter(logging.Formatter):
    """Text for people or JSON for machines, with the record's extras."""

    converter = staticmethod(time.gmtime)

    def __init__(self, *, as_json: bool = False) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "at": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        extras = {key: value for key, value in vars(record).items() if key not in STANDARD}
        fields |= {key: _bounded(value) for key, value in extras.items() if value is not None}
        for name in FOREIGN_IDS:
            if isinstance(fields.get(name), str):
                fields[name] = foreign_id(fields[name])
        if record.exc_info and record.exc_info[0] is not None:
            # The class and the place, not the text: an exception may quote what it choked on.
            fields["exception"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                fields["raised_at"] = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        if self._as_json:
            return json_text(fields)
        head = f"{fields.pop('at')} {fields.pop('level'):7} {escape_controls(fields.pop('message'))}"
        return head + "".join(f" {key}={_quoted(value)}" for key, value in fields.items())


def _bounded(value: object) -> object:
    if isinstance(value, str) and len(value) > MAX_CHARACTERS:
        return f"{value[:MAX_CHARACTERS]}… ({len(value)} characters)"
    return value


def _quoted(value: object) -> str:
    text = str(value)
    quoted = not text or not text.isprintable() or any(c in text for c in ' "=')
    return json_text(text) if quoted else text


def configure(
    *, as_json: bool | None = None, level: int = logging.INFO, stream: TextIO | None = None
) -> None:
    """Send every log record to standard error; as JSON, or as GONG_VIEWS_LOG_FORMAT says. Raises SettingsError."""
    if as_json is None:
        as_json = LogSettings.load().log_format == "json"
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter(as_json=as_json))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
