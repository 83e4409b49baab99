"""Core statements compiled once, for a driver's own cursor: SQLAlchemy's way to run one costs more than the run.

What a column's type does to a value (escapes, times in UTC, words of a vocabulary) is done here as it is there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase

Process = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement's text for one driver, and how its parameters are made."""

    text: str
    constants: dict[str, Any]
    given: tuple[tuple[str, Process | None], ...]
    """The names of the values to be given, and what their types make of them."""
    order: tuple[str, ...] | None
    """None: the driver takes parameters by name."""

    def parameters(self, values: dict[str, Any]) -> Any:
        """The driver's. Raises what a column's type raises for a value, and KeyError for one that is missing."""
        bound = self.constants.copy()
        for name, process in self.given:
            value = values[name]
            bound[name] = value if process is None else process(value)
        return bound if self.order is None else [bound[name] for name in self.order]


def prepare(
    statement: UpdateBase | sa.Select[Any], dialect: Dialect, columns: Iterable[str] = ()
) -> Prepared:
    """Compile a statement; `columns` are those that an INSERT without values of its own is given."""
    compiled = statement.compile(dialect=dialect, column_keys=list(columns) or None)
    assert isinstance(compiled, SQLCompiler)
    constants, given = {}, []
    for bind, name in compiled.bind_names.items():
        process = bind.type.dialect_impl(dialect).bind_processor(dialect)
        if bind.required:
            given.append((name, process))
        else:
            constants[name] = process(bind.value) if process else bind.value
    order = None if compiled.positiontup is None else tuple(compiled.positiontup)
    return Prepared(compiled.string, constants, tuple(dict(given).items()), order)
