"""What a file holds, record by record: an event, or what is wrong with that place of the file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gong_views.errors import InvalidViewEvent
from gong_views.event import ViewEvent
from gong_views.validation_errors import WHOLE_EVENT
from gong_worker.file_import.source import MAX_LINE_BYTES, Line

Errors = Sequence[Mapping[str, object]]  # as in InvalidViewEvent.errors


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file: a valid event, or errors; with neither, a blank line."""

    line: int
    """Its first line, from 1."""
    last_line: int
    end: int
    """Where the next record begins, in bytes from the start of the (decompressed) file."""
    raw: bytes
    event: ViewEvent | None = None
    errors: Errors = ()


def at(lines: list[Line], *, event: ViewEvent | None = None, errors: Errors = ()) -> Record:
    """The record that these lines make."""
    raw = b"\n".join(line.raw for line in lines)
    return Record(lines[0].number, lines[-1].number, lines[-1].end, raw, event, errors)


def problem(message: str, field_name: str = WHOLE_EVENT) -> Errors:
    """Errors in the form of `InvalidViewEvent.errors`; without a field: of the record as a whole."""
    return [{"field": field_name, "message": message}]


TOO_LONG = problem(f"longer than {MAX_LINE_BYTES} bytes: it cannot be an event")
NOT_UTF8 = problem("not UTF-8: convert the file, e.g. with iconv -t UTF-8")
ARRAY = problem("an array: write one event a line; jq -c '.[]' FILE turns an array into lines")


def json_records(lines: Iterable[Line]) -> Iterator[Record]:
    """One event a line, as JSON objects."""
    for line in lines:
        yield _json_record(line)


def _json_record(line: Line) -> Record:
    if line.too_long:
        return at([line], errors=TOO_LONG)
    try:
        text = line.raw.decode()
    except UnicodeDecodeError:
        return at([line], errors=NOT_UTF8)
    text = text.strip()
    if not text:
        return at([line])
    if text.startswith("["):
        return at([line], errors=ARRAY)
    try:
        return at([line], event=ViewEvent.parse(text))
    except InvalidViewEvent as error:
        return at([line], errors=error.errors)
