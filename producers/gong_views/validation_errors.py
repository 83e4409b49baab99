"""Validation errors of an event as texts: the field by Gong's name, what is wrong, what to do. Never a value."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

WHOLE_EVENT: Final = "(event)"
"""The `field` of an error that is about no single field."""
MAX_ERRORS: Final = 50
"""A broken export can be wrong in a hundred thousand places: nobody reads more than these."""
MAX_SUGGESTIONS: Final = 10
"""Looking for the name that was meant takes longer than everything else about an unknown field."""
LONE_SURROGATE: Final = (
    "holds a lone surrogate (half of a character, such as a cut emoji), which UTF-8 cannot encode"
)

_SHOWABLE_NAME: Final = re.compile(r"[A-Za-z0-9_$.\- ]{1,64}")
_SHOWABLE_CHOICE: Final = re.compile(r"[A-Za-z][A-Za-z0-9,_-]{0,39}")
_KINDS: Final = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    tuple: "a list",
    dict: "an object",
}


def validation_errors(model: type[BaseModel], error: ValidationError) -> list[dict[str, str]]:
    """pydantic's findings as `{"field", "message"}`, at most MAX_ERRORS and one that counts the rest."""
    details = error.errors(include_url=False)
    found = [
        {"field": _field(model, detail), "message": _message(model, detail, suggest=number < MAX_SUGGESTIONS)}
        for number, detail in enumerate(details[:MAX_ERRORS])
    ]
    if len(details) > MAX_ERRORS:
        more = f"and {len(details) - MAX_ERRORS} more errors; correct these first"
        found.append({"field": WHOLE_EVENT, "message": more})
    return found


def path_of(places: Sequence[str | int]) -> str:
    """`("crmContext", 0, "system")` as `crmContext[0].system`. Odd names are masked: they may be data."""
    path = ""
    for place in places:
        if isinstance(place, int):
            path += f"[{place}]"
        else:
            name = place if _SHOWABLE_NAME.fullmatch(place) else "(a name not shown)"
            path += f".{name}" if path else name
    return path or WHOLE_EVENT


def kind_of(value: object) -> str:
    """What sort of value it is, in JSON's words; never the value."""
    if isinstance(value, str) and not value:
        return "an empty string"
    return _KINDS.get(type(value), f"a Python {type(value).__name__}")


def lone_surrogates(value: Any, places: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where in a JSON value a text holds a lone surrogate, which UTF-8 cannot encode."""
    if isinstance(value, str):
        if any("\ud800" <= char <= "\udfff" for char in value):
            yield places
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from lone_surrogates(key, places)
            yield from lone_surrogates(item, (*places, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from lone_surrogates(item, (*places, index))


def _field(model: type[BaseModel], detail: ErrorDetails) -> str:
    """Gong's spelling of the place, however the event was spelt."""
    places: list[str | int] = []
    for place in detail["loc"]:
        if isinstance(place, str):
            name = _names(model).get(place, place)
            places.append(name)
            model = _parts(model).get(name, model)
        else:
            places.append(place)
    return str(detail.get("ctx", {}).get("field") or path_of(places))


def _message(model: type[BaseModel], detail: ErrorDetails, *, suggest: bool) -> str:
    value = detail["input"]
    match detail["type"]:
        case "missing":
            return "is required; add it"
        case "extra_forbidden":
            return _unknown(model, detail["loc"], suggest=suggest)
        case "invalid_key":
            return "is not a field: names of fields are strings"
        case _ if value is None:
            return (
                "must not be null; give it a value"
                if isinstance(detail["loc"][-1], str)
                else "must not be null"
            )
        case "string_type":
            advice = "; convert it to one" if isinstance(value, int | float) else ""
            return f"must be a string, not {kind_of(value)}{advice}"
        case "string_unicode":  # a value, or the name of a field
            return LONE_SURROGATE
        case "enum":
            known = _choices(model, detail["loc"])
            shown = isinstance(value, str) and _SHOWABLE_CHOICE.fullmatch(value)
            return f"must be one of {known}, not {json.dumps(value) if shown else kind_of(value)}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"must be an object, not {kind_of(value)}"
        case _:
            return detail["msg"]


def _unknown(model: type[BaseModel], places: Sequence[str | int], *, suggest: bool) -> str:
    owner, name = _model_at(model, places[:-1]), str(places[-1])
    fields = _names(owner)
    if name in fields:
        return f"is given twice, as {fields[name]} and {name}; keep one"
    plain = {known.lower(): known for known in fields.values()}
    close = suggest and difflib.get_close_matches(name[:64].replace("_", "").lower(), plain, n=1, cutoff=0.75)
    if close:
        return f"is not a field; did you mean {plain[close[0]]}?"
    return "is not a field that Gong knows here; remove it"


def _choices(model: type[BaseModel], places: Sequence[str | int]) -> str:
    owner = _model_at(model, places[:-1])
    for name, field in owner.model_fields.items():
        if places[-1] in (name, field.alias):
            for kind in (field.annotation, *get_args(field.annotation)):
                if members := getattr(kind, "__members__", None):
                    return ", ".join(json.dumps(member.value) for member in members.values())
    return "the values that Gong knows"


def _model_at(model: type[BaseModel], places: Sequence[str | int]) -> type[BaseModel]:
    for place in places:
        if isinstance(place, str):
            model = _parts(model).get(_names(model).get(place, place), model)
    return model


@cache
def _names(model: type[BaseModel]) -> dict[str, str]:
    return {name: field.alias or name for name, field in model.model_fields.items()}


@cache
def _parts(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    return {
        field.alias or name: part
        for name, field in model.model_fields.items()
        for part in _models_in(field.annotation)
    }


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
