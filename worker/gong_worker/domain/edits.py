"""Changes to an event as JSON: fields set and unset by their path, and the difference between two events."""

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gong_views.json_input import JsonError, read_json

_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)|\[(\d{1,4})\]")
_ABSENT = object()


class EditError(ValueError):
    """The edit cannot be read, or does not fit the event; the text names the path, never a value."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What to change: `set` gives values to paths such as `viewer.email` or `crmContext[0].system`."""

    set: Mapping[str, Any]
    unset: Sequence[str] = ()

    @property
    def paths(self) -> list[str]:
        """Every path it changes."""
        return [*self.set, *self.unset]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `before` or `after` None: the field is not there on that side."""

    path: str
    before: Any | None
    after: Any | None


def edit_from(assignments: Iterable[str], unset: Sequence[str]) -> Edit:
    """The edit of texts such as `viewer.email=a@b.example` or `contentId:="x"`, and of paths to remove.

    Raises EditError.
    """
    edit = Edit(dict(_assignment(text) for text in assignments), unset)
    for path in edit.paths:
        steps(path)
    return edit


def _assignment(text: str) -> tuple[str, Any]:
    path, found, value = text.partition("=")
    if not found:
        raise EditError(f"{path!r} sets nothing: write PATH=TEXT, or PATH:=JSON for what is no text")
    if not path.endswith(":"):
        return path, value
    try:
        return path[:-1], read_json(value)
    except JsonError as error:
        raise EditError(f"the value of {path[:-1]} {error}") from None


def steps(path: str) -> list[str | int]:
    """The names and indexes of a path; raises EditError."""
    found: list[str | int] = []
    position = 0
    while position < len(path):
        if path[position] == "." and found:
            position += 1
        match = _STEP.match(path, position)
        if match is None or (match[2] is not None and not found):
            raise EditError(f"{path!r} is no path of a field: write viewer.email or crmContext[0].system")
        found.append(match[1] if match[1] is not None else int(match[2]))
        position = match.end()
    if not found or path.endswith("."):
        raise EditError(f"{path!r} is no path of a field: write viewer.email or crmContext[0].system")
    return found


def edited(payload: Any, edit: Edit) -> Any:
    """A copy of `payload` with the changes made; raises EditError when a path does not fit it."""
    result = copy.deepcopy(payload)
    for path, value in edit.set.items():
        place, last = _place(result, path, make=True)
        if isinstance(place, dict) and isinstance(last, str):
            place[last] = value
        elif isinstance(place, list) and isinstance(last, int) and last <= len(place):
            place[last : last + 1] = [value]
        else:
            raise EditError(f"{path} does not fit the event")
    for path in edit.unset:
        place, last = _place(result, path, make=False)
        if isinstance(place, dict) and isinstance(last, str):
            place.pop(last, None)
        elif isinstance(place, list) and isinstance(last, int):
            del place[last : last + 1]
    return result


def _place(payload: Any, path: str, *, make: bool) -> tuple[Any, str | int]:
    """What holds the last step of the path; objects on the way are made if wanted."""
    *way, last = steps(path)
    place = payload
    for step in way:
        if isinstance(place, dict) and isinstance(step, str):
            if make and not isinstance(place.get(step), dict | list):
                place[step] = {}
            place = place.get(step)
        elif isinstance(place, list) and isinstance(step, int) and step < len(place):
            place = place[step]
        elif make:
            raise EditError(f"{path} does not fit the event")
        else:
            return None, last
    return place, last


def difference(before: Any, after: Any, path: str = "") -> list[Change]:
    """What differs, field by field, in the order of the fields."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            change
            for name in dict.fromkeys([*before, *after])
            for change in difference(
                before.get(name, _ABSENT), after.get(name, _ABSENT), f"{path}.{name}" if path else name
            )
        ]
    if isinstance(before, list) and isinstance(after, list):
        return [
            change
            for number in range(max(len(before), len(after)))
            for change in difference(_item(before, number), _item(after, number), f"{path}[{number}]")
        ]
    if before == after and type(before) is type(after):
        return []
    return [Change(path, None if before is _ABSENT else before, None if after is _ABSENT else after)]


def _item(items: list[Any], number: int) -> Any:
    return items[number] if number < len(items) else _ABSENT
