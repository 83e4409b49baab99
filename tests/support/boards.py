"""The Grafana boards of deploy/grafana: their questions as Grafana asks them, and the SQLite board made from the other.

Grafana itself runs nowhere here. How it fills in a variable, a macro and its built-in `$__from`, and what the plugin
frser-sqlite-datasource expects of a query, is written down in this file alone, after their source.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NOW = ROOT / "deploy/grafana/dashboards/now.json"
LEDGER = ROOT / "deploy/grafana/dashboards/ledger.json"
LEDGER_SQLITE = ROOT / "deploy/grafana/ledger-sqlite.json"
# Grafana's word for every value of a variable.
ALL = "$__all"

Board = dict[str, Any]
# By variable: the values that somebody chose, or [ALL].
Choice = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Question:
    """One query of a panel, as it stands in the board."""

    panel: dict[str, Any]
    target: dict[str, Any]

    @property
    def text(self) -> str:
        """The PromQL or SQL, its variables not filled in."""
        for key in ("expr", "rawSql", "rawQueryText"):
            if key in self.target:
                return str(self.target[key])
        raise KeyError(self.name)

    @property
    def name(self) -> str:
        return f"{self.panel['title']} ({self.target['refId']})"

    @property
    def instant(self) -> bool:
        """Whether it asks for the present only."""
        return bool(self.target.get("instant"))

    def uses(self, variable: str) -> bool:
        """Whether a choice of this variable changes the question."""
        return re.search(rf"\$\{{?{variable}\b", self.text) is not None


def load(path: Path) -> Board:
    """A board."""
    board: Board = json.loads(path.read_text())
    return board


def questions(board: Board) -> list[Question]:
    """Every query of every panel."""
    return [Question(panel, target) for panel in board["panels"] for target in panel["targets"]]


def variables(board: Board) -> dict[str, dict[str, Any]]:
    """The variables by name."""
    return {one["name"]: one for one in board["templating"]["list"]}


# -- as Grafana fills them in ------------------------------------------------------------------------------


def promql(board: Board, text: str, choice: Choice, *, rate_interval: str) -> str:
    """With `$name` as the data source of Prometheus fills it in, as a regular expression."""
    text = text.replace("$__rate_interval", rate_interval)
    for name, values in choice.items():
        escaped = [re.sub(r"[\\^$.*+?()\[\]{}|]", r"\\\\\g<0>", value) for value in values]
        chosen = escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
        text = text.replace(f"${name}", _all(board, name) if list(values) == [ALL] else chosen)
    assert "$" not in text, text
    return text


def sql(board: Board, text: str, choice: Choice, begin: datetime, end: datetime) -> str:
    """With `${name:sqlstring}`, `$__from` (ms), and PostgreSQL's macros."""
    for name, values in choice.items():
        quoted = ",".join("'" + value.replace("'", "''") + "'" for value in values)
        chosen = _all(board, name) if list(values) == [ALL] else quoted
        text = text.replace(f"${{{name}:sqlstring}}", chosen)
    bounds = [moment.astimezone(UTC).isoformat().replace("+00:00", "Z") for moment in (begin, end)]
    text = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN '{bounds[0]}' AND '{bounds[1]}'", text)
    for macro, bound in zip(("$__timeFrom()", "$__timeTo()"), bounds, strict=True):
        text = text.replace(macro, f"'{bound}'")
    for name, moment in (("$__from", begin), ("$__to", end)):
        text = text.replace(name, str(int(moment.timestamp()) * 1000))
    assert "$" not in text, text
    return text


def _all(board: Board, name: str) -> str:
    """What stands for All, as it is: a list of all values would be empty at first, which is no SQL."""
    return str(variables(board)[name]["allValue"])


# -- the board for SQLite ----------------------------------------------------------------------------------

SQLITE = {"type": "frser-sqlite-datasource", "uid": "gong-views-ledger-sqlite"}


def for_sqlite(board: Board) -> Board:
    """The ledger's board for the plugin: other macros, times in seconds since 1970, its own names for a query."""

    def source(thing: dict[str, Any]) -> dict[str, Any]:
        return {**thing, "datasource": SQLITE}

    made = {**board, "uid": f"{board['uid']}-sqlite", "title": f"{board['title']} (SQLite)"}
    made["templating"] = {
        "list": [source(one) if one["type"] == "query" else one for one in board["templating"]["list"]]
    }
    made["panels"] = []
    for panel in board["panels"]:
        copy = source(panel)
        copy["targets"] = [source(_target(target)) for target in panel["targets"]]
        if panel["type"] == "timeseries":  # the plugin calls a series by its value's column, else
            defaults = {**panel["fieldConfig"]["defaults"], "displayName": "${__field.labels.metric}"}
            copy["fieldConfig"] = {**panel["fieldConfig"], "defaults": defaults}
        made["panels"].append(copy)
    return made


def _target(target: dict[str, Any]) -> dict[str, Any]:
    series = target["format"] == "time_series"
    return {
        "refId": target["refId"],
        "rawQueryText": _sqlite_sql(target["rawSql"]),
        "queryType": "time series" if series else "table",
        "timeColumns": ["time"] if series else [],
    }


def _sqlite_sql(text: str) -> str:
    """Text columns compared as they stand, so that their indexes serve: `YYYY-MM-DD` and `YYYY-MM-DD HH:MM:SS`."""
    hours = [f"strftime('%Y-%m-%d %H:%M:%S', {bound} / 1000, 'unixepoch')" for bound in ("$__from", "$__to")]
    text = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {hours[0]} AND {hours[1]}", text)
    for macro, bound in (("$__timeFrom()", "$__from"), ("$__timeTo()", "$__to")):
        text = text.replace(f"CAST({macro} AS date)", f"date({bound} / 1000, 'unixepoch')")
    return re.sub(r"\b(hour|day) AS time\b", r"CAST(strftime('%s', \1) AS INTEGER) AS time", text)


def written(board: Board) -> str:
    """The board as its file has it: a line for each variable and each panel."""
    marks = {}

    def line(value: Any) -> str:
        mark = f"@{len(marks)}@"
        marks[f'"{mark}"'] = json.dumps(value, ensure_ascii=False)
        return mark

    shown = {
        **board,
        "templating": {"list": [line(one) for one in board["templating"]["list"]]},
        "panels": [line(panel) for panel in board["panels"]],
    }
    text = json.dumps(shown, indent=2, ensure_ascii=False)
    for mark, value in marks.items():
        text = text.replace(mark, value)
    return text + "\n"


def each_choice(board: Board, values: Mapping[str, Sequence[str]]) -> Iterator[dict[str, list[str]]]:
    """All; then for each variable each of its values alone, and the first two of them, with All of the others."""
    names = list(variables(board))
    everything = {name: [ALL] for name in names}
    yield everything
    for name in names:
        for one in values[name]:
            yield everything | {name: [one]}
        yield everything | {name: list(values[name])[:2]}
