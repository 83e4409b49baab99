"""Error texts made alike: what differs from event to event is taken out, so that like failures make one group.

A kind holds nothing of a payload: its values, ids, addresses, numbers and quoted texts are all `…`. What names a
field of an event stays, for that is what tells one group from another.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

MAX_CHARACTERS: Final = 300
ERRORS_KEPT: Final = 3
# Shorter values of a payload, such as "1" or "en", would take letters out of Gong's words.
_SHORTEST_VALUE: Final = 4

_GONE: Final = "…"
_QUOTED: Final = re.compile(r"""`([^`]*)`|"([^"]*)"|(?<!\w)'([^']*)'(?!\w)|“([^”]*)”|«([^»]*)»""")
_ADDRESS: Final = re.compile(r"[^\s<>\"'`,;:()\[\]]+@[^\s<>\"'`,;:()\[\]]+")
_URL: Final = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
# A word with a digit in it: a number, a time, an id, a hash. An index in brackets is a place, made alike too.
_WORD_WITH_DIGIT: Final = re.compile(r"[\w.:/+-]*\d[\w.:/+-]*")


def error_kind(errors: Sequence[str], payload: Any = None) -> str:
    """The kind of these errors; "" when there are none. `payload`: its values are taken out as well."""
    values = sorted({text for text in _texts(payload) if len(text) >= _SHORTEST_VALUE}, key=len, reverse=True)
    alike = dict.fromkeys(_alike(text, values) for text in errors)
    return "; ".join(list(alike)[:ERRORS_KEPT])[:MAX_CHARACTERS]


def _alike(text: str, values: Sequence[str]) -> str:
    for value in values:
        if value not in _field_names():
            text = text.replace(value, _GONE)
    text = _QUOTED.sub(_quoted, text)
    text = _URL.sub(_GONE, text)
    text = _ADDRESS.sub(_GONE, text)
    text = _WORD_WITH_DIGIT.sub(_GONE, text)
    return " ".join(re.sub(f"{_GONE}(?:[\\s,]*{_GONE})+", _GONE, text).split())


def _quoted(match: re.Match[str]) -> str:
    content = next(group for group in match.groups() if group is not None)
    return content if re.sub(r"\[\d*\]", "", content) in _field_names() else _GONE


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)


@cache
def _field_names() -> frozenset[str]:
    """Every field of an event, by its name and by its path from the event."""
    # Here, because most commands make no kind and need not build the event's models.
    from gong_views.event import ViewEvent

    schema = ViewEvent.model_json_schema(by_alias=True)
    return frozenset(_names(schema, schema.get("$defs", {}), ""))


def _names(schema: Mapping[str, Any], definitions: Mapping[str, Any], parent: str) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        yield name
        yield parent + name
        for branch in field.get("anyOf", [field]):
            for inner in (branch, branch.get("items", {})):
                target = definitions.get(str(inner.get("$ref", "")).rpartition("/")[2], inner)
                if target.get("properties"):
                    yield from _names(target, definitions, f"{parent}{name}.")
