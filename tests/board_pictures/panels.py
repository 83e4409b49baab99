"""What a panel has to show: a query's answer in one form, whoever gave it, and values in their unit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from tests.support.boards import Question
from tests.support.prometheus import Series

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Shown:
    """Lines by name, each of (Unix seconds, value); or the rows of a table."""

    lines: dict[str, Points] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)


def of_prometheus(question: Question, found: Sequence[Series]) -> Shown:
    """Each series under its legend."""
    lines = {}
    for series in found:
        labels, name = series["metric"], question.target["legendFormat"]
        for label in re.findall(r"\{\{(\w+)\}\}", name):
            name = name.replace(f"{{{{{label}}}}}", labels.get(label, ""))
        pairs = [series["value"]] if question.instant else series["values"]
        lines[name] = [(float(at), float(value)) for at, value in pairs]
    return Shown(lines)


def of_rows(question: Question, rows: list[dict[str, Any]]) -> Shown:
    """A time series by its `metric`, or the table as it is."""
    if question.target["format"] != "time_series":
        return Shown(rows=rows)
    lines: dict[str, Points] = {}
    for row in rows:
        lines.setdefault(row["metric"], []).append((_seconds(row["time"]), float(row["value"])))
    return Shown(lines)


def _seconds(moment: date) -> float:
    whole = moment if isinstance(moment, datetime) else datetime.combine(moment, time(), UTC)
    return whole.timestamp()


def in_unit(value: float, unit: str | None) -> str:
    """A value as a person reads it."""
    match unit:
        case "percentunit":
            return f"{value:.0%}"
        case "s":
            for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
                if value >= size:
                    return f"{value / size:.3g} {name}"
            return f"{value:.3g} s" if value >= 1 or not value else f"{value * 1000:.3g} ms"
        case "cps":
            return f"{value:.3g}/s"
        case "dateTimeFromNow":
            away = value / 1000 - datetime.now(UTC).timestamp()
            return "now" if abs(away) < 5 else f"in {away:.0f} s" if away > 0 else f"{-away:.0f} s ago"
        case _:
            return f"{value / 1000:.3g}k" if value >= 10_000 else f"{value:.4g}"
