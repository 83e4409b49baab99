"""Dead letters to and from files: JSON lines that can be edited and replayed, CSV for spreadsheets."""

import csv
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Any, Final, TextIO

from gong_views.errors import GongViewsError
from gong_worker.display import json_text
from gong_worker.domain.audit import AuditAction
from gong_worker.file_import.csv_rows import columns
from gong_worker.ledger import DeadLetter, DeadLetterFilter, Ledger
from gong_worker.operations.dead_letters import Bulk, BulkResult, described, event_of, pages
from gong_worker.operations.export_files import described_file
from gong_worker.operations.serialize import to_json

_LETTER: Final = (
    "id", "created_at", "reason", "http_status", "request_id", "error_kind", "errors", "lane", "source",
    "resolution",
)  # fmt: skip
# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class ExportFormat(StrEnum):
    """How letters are written."""

    JSONL = "jsonl"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """As HTTP names it."""
        return {self.JSONL: "application/x-ndjson", self.CSV: "text/csv"}[self]


class ExportProblem(GongViewsError):
    """The file cannot be written, or cannot be read back; the text says why and what to do."""


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """A new file that its owner alone may read: it holds personal data. Raises ExportProblem.

    Of one that cannot be written to its end, as on a full disk, nothing stays.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise ExportProblem(f"{path} exists: name another file, or remove it") from None
    except OSError as error:
        raise ExportProblem(f"cannot write {path}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ExportProblem(
            f"cannot write {path}: {error.strerror or error}; nothing of it is kept"
        ) from None


def export(
    ledger: Ledger,
    wanted: DeadLetterFilter,
    bulk: Bulk,
    out: TextIO,
    form: ExportFormat,
    *,
    file: Path | None = None,
) -> BulkResult:
    """Write the letters with their payloads (see `exported`); `done` says how many. Raises OSError."""
    result = BulkResult()
    for text in exported(ledger, wanted, bulk, form, result, file=file):
        out.write(text)
    return result


def exported(
    ledger: Ledger,
    wanted: DeadLetterFilter,
    bulk: Bulk,
    form: ExportFormat,
    result: BulkResult,
    *,
    after_id: int = 0,
    file: Path | None = None,
) -> Iterator[str]:
    """The letters past a number with their payloads, page by page as text; the audit notes it first.

    `file`: where they go, for the audit: erasing a person later reaches it there. Lone surrogates are written escaped.
    Raises LedgerUnavailable.
    """
    total, _, _ = ledger.count_dead_letters(wanted)
    now = datetime.now(UTC)
    ledger.record_action(
        AuditAction.EXPORT, by=bulk.by, at=now, count=total, target=described(ledger, wanted),
        details=described_file(file, form.value),
    )  # fmt: skip
    out = StringIO()
    write = _csv_writer(out) if form is ExportFormat.CSV else _write_line(out)
    for page in pages(ledger, wanted, bulk, result, after_id=after_id):
        for letter in page:
            write(letter)
            result.done += 1
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()  # the heading, if there was no letter


def _facts(letter: DeadLetter) -> dict[str, Any]:
    """The letter as JSON, without its payload, which may be nested however deep."""
    facts: dict[str, Any] = to_json(replace(letter, payload=None))
    return facts


def _write_line(out: TextIO) -> Any:
    def write(letter: DeadLetter) -> None:
        row = {name: value for name, value in _facts(letter).items() if name != "payload"}
        out.write(json_text({**row, "payload": event_of(letter)}) + "\n")

    return write


def _csv_writer(out: TextIO) -> Any:
    fields = {column.path: column for column in columns().values()}
    # An object is written field by field, so it has no column of its own.
    paths = [path for path in fields if not any(other[: len(path)] == path != other for other in fields)]
    writer = csv.writer(out)
    writer.writerow([*_LETTER, *(".".join(path) for path in paths), "unreadable_body"])

    def write(letter: DeadLetter) -> None:
        row, event = _facts(letter), event_of(letter)
        known = event if isinstance(event, dict) else {}
        body = None if isinstance(event, dict) else event
        cells = [*(row[name] for name in _LETTER), *(_at(known, path) for path in paths), body]
        writer.writerow([_cell(cell) for cell in cells])

    return write


def _at(event: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        event = event.get(name) if isinstance(event, dict) else None
    return event


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.encode(errors="surrogatepass").decode(errors="backslashreplace")
    return f"'{text}" if text.startswith(_FORMULA) else text
