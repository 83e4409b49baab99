"""What is made from something else: `python -m tests.reference` writes it anew.

The tables of the docs, from the code; the ledger's board for SQLite, from the one for PostgreSQL.
`tests/conventions/test_reference.py` fails when one says something else than what it is made from.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gong_views import ViewEvent
from gong_views.settings import ProducerSettings
from gong_worker.console.settings import ConsoleSettings
from gong_worker.outbox_relay import RelaySettings
from gong_worker.settings import LogSettings, WorkerSettings
from gong_worker.simulator.config import SimulatorConfig
from gong_worker.simulator.faults import COMMON, KINDS, FaultRule
from gong_worker.web.settings import WebSettings
from tests.support import boards

DOCS = Path(__file__).parents[1] / "docs"
Schema = dict[str, Any]


def table(heads: list[str], rows: Iterator[list[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def sentence(text: str) -> str:
    """A description in one cell: one line, no full stop at its end."""
    return " ".join(text.split()).removesuffix(".").replace("|", "\\|")


# -- the event ---------------------------------------------------------------------------------------------

SCHEMA: Schema = ViewEvent.model_json_schema(by_alias=True, mode="validation")
PARTS = [
    "Actor",
    "Sharer",
    "Property",
    "PartyContext",
    "CrmContext",
    "PartyObject",
    "CrmObject",
    "ContextField",
]


def type_of(schema: Schema) -> str:
    """What a JSON schema takes, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        enum = SCHEMA["$defs"][name].get("enum")
        return " · ".join(f"`{value}`" for value in enum) if enum else f"[{name}](#{name.lower()})"
    if options := [option for option in schema.get("anyOf", []) if option != {"type": "null"}]:
        return " or ".join(dict.fromkeys(type_of(option) for option in options))
    if schema.get("type") == "array":
        return f"list of {type_of(schema['items'])}"
    if schema.get("format") == "date-time":
        return "ISO 8601 with offset"
    return str(schema.get("type", "any JSON value"))


def fields_of(schema: Schema) -> Iterator[list[str]]:
    """One row a field."""
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        yield [
            f"`{name}`",
            type_of(field),
            "yes" if name in required else "",
            sentence(field.get("description", "")),
        ]


def event_tables() -> str:
    """The event and its parts."""
    parts = [("The event", SCHEMA)]
    parts += [(name, SCHEMA["$defs"][name]) for name in PARTS]
    heads = ["field", "type", "required", "meaning"]
    return "\n\n".join(f"### {name}\n\n{table(heads, fields_of(schema))}" for name, schema in parts)


# -- the simulator -----------------------------------------------------------------------------------------


def described(model: type[BaseModel]) -> Iterator[list[str]]:
    """One row a setting: name, default as JSON, description."""
    for name, field in model.model_fields.items():
        default = "" if field.is_required() else json.dumps(field.get_default(call_default_factory=True))
        yield [f"`{name}`", f"`{default}`" if default else "required", sentence(field.description or "")]


def simulator_tables() -> str:
    """The settings, the rule's fields, and what each kind of fault takes."""
    kinds = (
        [f"`{name}`", kind.meaning, ", ".join(f"`{field}`" for field in sorted(kind.takes))]
        for name, kind in KINDS.items()
    )
    common = ", ".join(f"`{name}`" for name in sorted(COMMON - {"kind"}))
    parts = {
        "Settings": table(["setting", "default", "meaning"], described(SimulatorConfig)),
        "Fields of a fault rule": table(["field", "default", "meaning"], described(FaultRule)),
        "Kinds of faults": f"Every kind takes {common}.\n\n"
        + table(["kind", "what it does", "takes also"], kinds),
    }
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in parts.items())


# -- the settings ------------------------------------------------------------------------------------------

SETTINGS: dict[str, list[type[BaseModel]]] = {
    "Every process": [ProducerSettings, LogSettings],
    "Workers, and the operators' commands": [WorkerSettings],
    "`gong-views serve`": [WebSettings],
    "`gong-views console`": [ConsoleSettings],
    "`gong-views relay`": [RelaySettings],
}


def configuration_tables() -> str:
    """The variables of each kind of process; what every process reads is told once."""
    told: set[str] = set()
    parts = []
    for title, models in SETTINGS.items():
        fields = {
            name: field for model in models for name, field in model.model_fields.items() if name not in told
        }
        told |= set(fields)
        rows = (
            [f"`{field.validation_alias}`", _default(field), sentence(field.description or "")]
            for field in fields.values()
        )
        parts.append(f"### {title}\n\n{table(['variable', 'default', 'meaning'], rows)}")
    return "\n\n".join(parts)


def _default(field: FieldInfo) -> str:
    if field.is_required() or field.default_factory or field.default is None:
        return ""
    default = field.default
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


TABLES: dict[str, Callable[[], str]] = {
    "event.md": event_tables,
    "simulator.md": simulator_tables,
    "configuration.md": configuration_tables,
}
BETWEEN = re.compile(r"(<!-- from the code: begin -->\n).*?(<!-- from the code: end -->)", re.DOTALL)


def page(name: str, text: str) -> str:
    """The page with its tables as the code has them now."""
    return BETWEEN.sub(lambda found: f"{found[1]}\n{TABLES[name]()}\n\n{found[2]}", text)


if __name__ == "__main__":
    for name in TABLES:
        path = DOCS / name
        path.write_text(page(name, path.read_text()))
    boards.LEDGER_SQLITE.write_text(boards.written(boards.for_sqlite(boards.load(boards.LEDGER))))
