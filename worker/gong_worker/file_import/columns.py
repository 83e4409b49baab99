"""The columns of a CSV file: which names there are and which cells hold JSON, by the event's own schema."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gong_views.event import ViewEvent


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
    for path, is_json in _fields(schema, schema.get("$defs", {}), ()):
        column = Column(path, is_json)
        found[".".join(path)] = column
        found[".".join(_snake(name) for name in path)] = column
    return found


def is_header(line: str) -> bool:
    """Whether a first line of a file is a CSV header: at least one cell names a field."""
    if line.startswith(("{", "[")):
        return False
    return any(cell.strip().strip('"') in columns() for cell in re.split("[,;\t]", line))


def _fields(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], parents: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], bool]]:
    for name, field in schema.get("properties", {}).items():
        path = (*parents, name)
        branches = [_resolved(branch, definitions) for branch in field.get("anyOf", [field])]
        kinds = {branch.get("type") for branch in branches}
        yield path, bool(kinds & {"array", "object"})
        for branch in branches:
            if branch.get("type") == "object":
                yield from _fields(branch, definitions, path)


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    if (reference := schema.get("$ref")) is None:
        return schema
    resolved: Mapping[str, Any] = definitions[reference.rpartition("/")[2]]
    return resolved


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
