"""How the commands show things: JSON for programs, aligned text for people.

What is shown may come from anywhere: none of it is taken for markup, and control characters are escaped.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from gong_worker.display import escape_controls, json_text

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="print JSON")
UTC_OPTION = click.option("--utc", is_flag=True, help="times in UTC only, without local time beside them")


def show(data: Any, *, as_json: bool, text: Callable[[], None]) -> None:
    """Print `data` as JSON, or call `text` to print it for people."""
    if as_json:
        click.echo(json_text(data, indent=2))
    else:
        text()


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell_text(cell)) for cell in row))
    # A pipe has no width: nothing may be cut off there.
    console = Console()
    Console(width=None if console.is_terminal else 240).print(grid)


def facts(data: Mapping[str, object]) -> None:
    """Print names and values, one a line; a tuple is several lines under one name."""
    width = max((len(name) for name in data), default=0)
    for name, value in data.items():
        lines = value if isinstance(value, tuple) else (value,)
        for number, line in enumerate(lines):
            click.echo(f"{('' if number else name).ljust(width)}  {cell_text(line)}")


def cell_text(value: object) -> str:
    """A value for people; what has structure is JSON, to be copied as it is."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return escape_controls("; ".join(value))
    if isinstance(value, dict | list):
        return json_text(value)
    return escape_controls(str(value))


def at_time(moment: datetime, *, utc: bool) -> str:
    """A time for people: UTC, and the local time beside it unless that is the same."""
    shown = moment.astimezone(UTC)
    text = f"{shown:%Y-%m-%d %H:%M:%S} UTC"
    local = moment.astimezone()
    if utc or not local.utcoffset():
        return text
    day = "" if local.date() == shown.date() else f"{local:%Y-%m-%d} "
    return f"{text} ({day}{local:%H:%M:%S} local)"


def duration(seconds: float) -> str:
    """A length of time for people, in its largest sensible unit."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
