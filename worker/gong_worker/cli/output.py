"""How the commands show things: JSON for programs, aligned text for people."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click
from rich.console import Console
from rich.table import Table

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="print JSON")


def show(data: Any, *, as_json: bool, text: Callable[[], None]) -> None:
    """Print `data` as JSON, or call `text` to print it for people."""
    if as_json:
        click.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))
    else:
        text()


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(_text(cell) for cell in row))
    # A pipe has no width: nothing may be cut off there.
    console = Console()
    Console(width=None if console.is_terminal else 240).print(grid)


def facts(data: Mapping[str, object]) -> None:
    """Print names and values, one a line."""
    width = max((len(name) for name in data), default=0)
    for name, value in data.items():
        click.echo(f"{name.ljust(width)}  {_text(value)}")


def _text(value: object) -> str:
    """A value for people; what has structure is JSON, to be copied as it is."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "; ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
