"""CSV: the columns that an event's schema allows, and the rows. A stray quote costs its own line only."""

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gong_views.errors import InvalidViewEvent
from gong_views.event import ViewEvent
from gong_views.json_input import JsonError, read_json
from gong_worker.file_import.records import NOT_UTF8, TOO_LONG, Errors, Record, at, problem
from gong_worker.file_import.source import MAX_LINE_BYTES, FileProblem, Line

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,60}")


@dataclass(frozen=True, slots=True)
class Column:
    """One field of an event, nested ones by their path."""

    path: tuple[str, ...]
    """Gong's names, e.g. ("viewer", "email")."""
    is_json: bool
    """An array or object, written as JSON in the cell."""


@cache
def columns() -> Mapping[str, Column]:
    """Every column there is, by its dotted name in each spelling (viewInfoUrl, view_info_url)."""
    schema = ViewEvent.model_json_schema(by_alias=True)
    found: dict[str, Column] = {}
    for path, is_json in _schema_fields(schema, schema.get("$defs", {}), ()):
        column = Column(path, is_json)
        found[".".join(path)] = column
        found[".".join(_snake(name) for name in path)] = column
    return found


def is_header(line: str) -> bool:
    """Whether a first line of a file is a CSV header: at least one cell names a field."""
    if line.startswith(("{", "[")):
        return False
    return any(cell.strip().strip('"') in columns() for cell in re.split("[,;\t]", line))


def _schema_fields(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], parents: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], bool]]:
    for name, field in schema.get("properties", {}).items():
        path = (*parents, name)
        branches = [_resolved(branch, definitions) for branch in field.get("anyOf", [field])]
        kinds = {branch.get("type") for branch in branches}
        yield path, bool(kinds & {"array", "object"})
        for branch in branches:
            if branch.get("type") == "object":
                yield from _schema_fields(branch, definitions, path)


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    if (reference := schema.get("$ref")) is None:
        return schema
    resolved: Mapping[str, Any] = definitions[reference.rpartition("/")[2]]
    return resolved


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@dataclass(frozen=True, slots=True)
class Header:
    """What the first row says."""

    columns: list[Column]
    delimiter: str


def read_header(lines: Iterator[Line]) -> Header:
    """Take the header off the lines. Raises FileProblem, which names the columns that no event has."""
    first = next((line for line in lines if line.raw.strip()), None)
    if first is None:
        return Header([], ",")
    text = first.raw.decode(errors="replace")
    # Spreadsheets of many countries write semicolons. No name of a field holds any of the three.
    delimiter = max(",;\t", key=text.count)
    names = [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter))]
    known = columns()
    if unknown := [(number, name) for number, name in enumerate(names, 1) if name not in known]:
        what = (
            f"the header names what no event has: {', '.join(_shown(*column) for column in unknown)}"
            if 2 * len(unknown) <= len(names)
            # The values of a file without a header may be a person's: none is shown.
            else f"line {first.number} is no header: {len(unknown)} of its {len(names)} cells name no field"
        )
        raise FileProblem(
            f"{what}. Columns are the fields of an event, nested ones with a dot: reportingSystem, contentId, "
            "viewer.email"
        )
    found = [known[name] for name in names]
    for column in found:
        if any(other is not column and other.path[: len(column.path)] == column.path for other in found):
            raise FileProblem(f"the header names {'.'.join(column.path)} and a part of it: keep one of them")
        if found.count(column) > 1:
            raise FileProblem(f"the header names {'.'.join(column.path)} more than once: keep one of them")
    return Header(found, delimiter)


def _shown(number: int, name: str) -> str:
    """An unknown column: by its name if that can be one, else by its number."""
    if not name:
        return f"column {number} (empty)"
    return name if _NAME.fullmatch(name) else f"column {number}"


def row_records(lines: Iterator[Line], header: Header) -> Iterator[Record]:
    """One event a row; a cell in quotes may go over several lines."""
    csv.field_size_limit(MAX_LINE_BYTES)
    waiting: deque[Line] = deque()  # lines looked at in vain, to be read again as rows of their own
    while (first := waiting.popleft() if waiting else next(lines, None)) is not None:
        if first.too_long:
            yield at([first], errors=TOO_LONG)
            continue
        taken = [first]
        try:
            cells = next(csv.reader(_texts(taken, waiting, lines), delimiter=header.delimiter, strict=True))
        except csv.Error:
            waiting.extendleft(reversed(taken[1:]))
            yield at([first], errors=problem('not CSV: a quote is not closed, or not doubled ("")'))
            continue
        except StopIteration:
            cells = []
        yield _record(taken, cells, header)


def _texts(taken: list[Line], waiting: deque[Line], lines: Iterator[Line]) -> Iterator[str]:
    """The lines of one row as far as the CSV reader asks for them; they are added to `taken`."""
    size = len(taken[0].raw)
    yield _text(taken[0])
    while (
        size <= MAX_LINE_BYTES and (line := waiting.popleft() if waiting else next(lines, None)) is not None
    ):
        taken.append(line)
        if line.too_long:
            return
        size += len(line.raw)
        yield _text(line)


def _text(line: Line) -> str:
    return line.raw.decode(errors="surrogateescape") + "\n"


def _record(taken: list[Line], cells: list[str], header: Header) -> Record:
    if not any(cell.strip() for cell in cells):
        return at(taken)
    try:
        for line in taken:
            line.raw.decode()
    except UnicodeDecodeError:
        return at(taken, errors=NOT_UTF8)
    if len(cells) != len(header.columns):
        text = (
            f"{len(cells)} cells, but the header has {len(header.columns)}: put a cell with a comma in quotes"
        )
        return at(taken, errors=problem(text))
    fields, errors = _fields(header.columns, cells)
    if errors:
        return at(taken, errors=errors)
    try:
        return at(taken, event=ViewEvent.parse(fields))
    except InvalidViewEvent as error:
        return at(taken, errors=error.errors)


def _fields(wanted: list[Column], cells: list[str]) -> tuple[dict[str, Any], Errors]:
    """The event that the cells make. An empty cell is a field that is not there."""
    event: dict[str, Any] = {}
    errors: list[Mapping[str, object]] = []
    for column, cell in zip(wanted, cells, strict=True):
        if not cell.strip():
            continue
        value: Any = cell
        if column.is_json:
            try:
                value = read_json(cell)
            except JsonError as error:
                text = f"{error} (an array or object is written as JSON)"
                errors += problem(text, ".".join(column.path))
                continue
        place = event
        for name in column.path[:-1]:
            place = place.setdefault(name, {})
        place[column.path[-1]] = value
    return event, errors
