"""The dataclasses of the ledger and of the use cases as JSON can carry them."""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def to_json(value: Any) -> Any:
    """A dataclass, or a list of them, as dicts, texts and numbers; times are ISO 8601 in UTC."""
    if isinstance(value, list):
        return [to_json(item) for item in value]
    # A time that remembers how it was written is no type that pydantic knows.
    kind = datetime if isinstance(value, datetime) else type(value)
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind].dump_python(value, mode="json")
