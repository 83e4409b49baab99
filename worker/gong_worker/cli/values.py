"""Values of options: times, lengths of time, numbers. It loads nothing: --help need not wait."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_LONGEST = timedelta(days=36_500)
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_AGO = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    """A time as an option's value: ISO 8601 with an offset, or how long ago (30m, 12h, 7d)."""
    if value is None:
        return None
    if _AGO.fullmatch(value):
        return datetime.now(UTC) - age(_ctx, _param, value)
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            "no time; write it like 2026-07-01T12:00:00Z, or 12h for twelve hours ago"
        ) from None
    if found.tzinfo is None:
        raise click.BadParameter("it needs an offset, like 2026-07-01T12:00:00Z")
    if found < _EARLIEST:
        raise click.BadParameter(f"before {_EARLIEST:%Y}; that is before there was anything")
    return found


def age(_ctx: click.Context, _param: click.Parameter, value: str) -> timedelta:
    """A length of time as an option's value, such as 400d or 56w."""
    match = _AGO.fullmatch(value)
    if match is None:
        raise click.BadParameter("no length of time; write it like 400d")
    found = timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    if found > _LONGEST:
        raise click.BadParameter(f"longer than {_LONGEST.days} days; that is before there was anything")
    return found


class Number(click.FloatRange):
    """A number within bounds; neither endless nor `nan`, which is within all of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is no number to reckon with", param, ctx)
        return found
