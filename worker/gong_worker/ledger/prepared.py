"""Core statements compiled once, for a driver's own cursor: SQLAlchemy's way to run one costs more than the run.

What a column's type does to a value (escapes, times in UTC, words of a vocabulary) is done here as it is there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

Process = Callable[[Any], Any]

Bound = list[tuple[str, Any]]
"""Statements with the driver's parameters."""


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    constants: dict[str, Any]
    order: tuple[str, ...] | None
    """None: the driver takes parameters by name."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The statements of one step for one driver. A name means the same value in all of them."""

    _statements: tuple[_Text, ...]
    _given: tuple[tuple[str, Process | None], ...]
    """The values to be given, and what their types make of them."""

    def bind(self, values: dict[str, Any]) -> Bound:
        """Raises what a column's type raises for a value, and KeyError for one that is missing."""
        given = {
            name: values[name] if process is None else process(values[name]) for name, process in self._given
        }
        bound: Bound = []
        for statement in self._statements:
            named = {**given, **statement.constants}
            order = statement.order
            bound.append((statement.text, named if order is None else [named[name] for name in order]))
        return bound


def prepare(statements: Sequence[ClauseElement], dialect: Dialect, columns: Sequence[str] = ()) -> Prepared:
    """Compile statements; `columns` are those that an INSERT without values of its own is given."""
    texts: list[_Text] = []
    given: dict[str, Process | None] = {}
    for statement in statements:
        compiled = statement.compile(dialect=dialect, column_keys=list(columns) or None)
        assert isinstance(compiled, SQLCompiler)
        constants: dict[str, Any] = {}
        for bind, name in compiled.bind_names.items():
            process = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if bind.required:
                given[name] = process
            else:
                constants[name] = process(bind.value) if process else bind.value
        order = None if compiled.positiontup is None else tuple(compiled.positiontup)
        texts.append(_Text(compiled.string, constants, order))
    return Prepared(tuple(texts), tuple(given.items()))
