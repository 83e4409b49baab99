"""SQL for "the UTC day, hour or minute of a moment" on both databases, and its values in Python."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from gong_worker.ledger.columns import utc

_SQLITE_LENGTH = {"day": 10, "hour": 13, "minute": 16}
_SQLITE_REST = {"day": "", "hour": ":00:00", "minute": ":00"}


class Bucket(FunctionElement[Any]):
    """`day`, `hour` or `minute` (UTC) of a UtcDateTime column."""

    inherit_cache = True
    type = sa.types.NullType()

    def __init__(self, column: Any) -> None:
        super().__init__(column)


class Day(Bucket):
    inherit_cache = True
    name = "day"


class Hour(Bucket):
    inherit_cache = True
    name = "hour"


class Minute(Bucket):
    inherit_cache = True
    name = "minute"


@compiles(Bucket, "postgresql")
def _postgresql(element: Bucket, compiler: Any, **options: Any) -> str:
    column = compiler.process(element.clauses, **options)
    if element.name == "day":
        return f"CAST({column} AT TIME ZONE 'UTC' AS date)"
    return f"(date_trunc('{element.name}', {column} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')"


@compiles(Bucket, "sqlite")
def _sqlite(element: Bucket, compiler: Any, **options: Any) -> str:
    column = compiler.process(element.clauses, **options)
    start = f"substr({column}, 1, {_SQLITE_LENGTH[element.name]})"
    return f"({start} || '{_SQLITE_REST[element.name]}')" if _SQLITE_REST[element.name] else start


def parsed(value: Any) -> datetime:
    """A bucket's value as both databases return it, as a UTC datetime (a day: its midnight)."""
    moment = datetime.fromisoformat(value if isinstance(value, str) else value.isoformat())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def literal(dialect: str, moment: datetime) -> Any:
    """`moment` as something to compare an Hour or Minute with."""
    moment = utc(moment)
    return moment if dialect == "postgresql" else moment.strftime("%Y-%m-%d %H:%M:%S")
