"""A board as a picture: each panel at its place, drawn from the answers to its questions."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Wedge
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from tests.board_pictures.panels import Shown, in_unit
from tests.support import boards

matplotlib.use("Agg")
from matplotlib import pyplot

UNIT_WIDTH, UNIT_HEIGHT, HEAD = 0.6, 0.42, 0.75  # inches of a column, of a row, and of the board's own title
INK, FAINT, EDGE = "#1f2733", "#6b7785", "#d5dbe1"
COLOURS = ["#2f7ed8", "#e08e0b", "#3fa45b", "#c0392b", "#8457b3", "#1aa3a3", "#b5651d", "#7f8c8d", "#d6589f"]
# What means the same everywhere looks the same everywhere.
FIXED = {
    "live": "#2f7ed8", "bulk": "#e08e0b", "live p50": "#2f7ed8", "live p95": "#8fbaea", "bulk p50": "#e08e0b",
    "bulk p95": "#f2c98a", "delivered": "#3fa45b", "accepted": "#3fa45b", "already_reported": "#1aa3a3",
    "rejected": "#c0392b", "dead": "#c0392b", "throttled": "#e08e0b", "server_error": "#8457b3", "failed": "#8457b3",
    "duplicates": "#7f8c8d", "limit": "#7f8c8d", "the company's limit": "#c0392b",
}  # fmt: skip


def draw(
    board: boards.Board, shown: dict[int, list[Shown]], times: tuple[datetime, datetime], path: Path
) -> None:
    """Write the picture. `shown`: by the panel's number, what each of its questions was answered."""
    height = (
        max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) * UNIT_HEIGHT + HEAD
    )
    width = 24 * UNIT_WIDTH
    figure = pyplot.figure(figsize=(width, height), facecolor="#f4f6f8")
    choices = "   ".join(f"{one['label']}: All" for one in boards.variables(board).values())
    where = f"{times[0]:%Y-%m-%d %H:%M} to {times[1]:%Y-%m-%d %H:%M} UTC"
    top = 1 - HEAD / 2 / height
    figure.text(0.008, top, board["title"], fontsize=14, weight="bold", color=INK, va="center")
    figure.text(0.992, top, f"{choices}     {where}", fontsize=9, color=FAINT, va="center", ha="right")
    for panel in board["panels"]:
        place = panel["gridPos"]
        left, wide = place["x"] * UNIT_WIDTH + 0.06, place["w"] * UNIT_WIDTH - 0.12
        high = place["h"] * UNIT_HEIGHT - 0.12
        bottom = height - HEAD - (place["y"] + place["h"]) * UNIT_HEIGHT + 0.06
        back = figure.add_axes((left / width, bottom / height, wide / width, high / height))
        back.set_xlim(0, wide)
        back.set_ylim(0, high)
        back.axis("off")
        back.add_patch(
            FancyBboxPatch((0, 0), wide, high, boxstyle="square,pad=0", facecolor="white", edgecolor=EDGE)
        )
        back.text(0.12, high - 0.2, panel["title"], fontsize=9, weight="bold", color=INK, va="center")
        kind, answers = panel["type"], shown[panel["id"]]
        if kind == "stat":
            _stat(back, panel, answers, wide, high)
        elif kind == "gauge":
            _gauge(back, panel, answers, wide, high)
        elif kind == "table":
            _table(back, answers[0].rows, wide, high)
        else:
            inner = (
                (left + 0.72) / width,
                (bottom + 0.62) / height,
                (wide - 1.0) / width,
                (high - 1.05) / height,
            )
            axes = figure.add_axes((*inner,))
            PLOTS[kind](axes, panel, answers, times)
    figure.savefig(path, dpi=80, facecolor=figure.get_facecolor())
    pyplot.close(figure)


def _defaults(panel: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = panel["fieldConfig"]["defaults"]
    return found


def _stat(back: Axes, panel: dict[str, Any], answers: list[Shown], wide: float, high: float) -> None:
    lines, defaults = answers[0].lines, _defaults(panel)
    if panel["options"].get("textMode") == "name":
        text = ", ".join(lines)
    else:
        text = ", ".join(in_unit(points[-1][1], defaults.get("unit")) for points in lines.values())
    size = 24 if len(text or defaults.get("noValue", "")) < 12 else 13
    text = text or defaults.get("noValue", "No data")
    back.text(wide / 2, high / 2 - 0.15, text, fontsize=size, color="#2d8a4e", ha="center", va="center")


def _gauge(back: Axes, panel: dict[str, Any], answers: list[Shown], wide: float, high: float) -> None:
    [points] = answers[0].lines.values()
    part = min(points[-1][1] / _defaults(panel)["max"], 1)
    centre = (wide / 2, 0.35)
    back.add_patch(Wedge(centre, 0.78, 0, 180, width=0.2, facecolor=EDGE))
    back.add_patch(Wedge(centre, 0.78, 180 - 180 * part, 180, width=0.2, facecolor="#3fa45b"))
    back.text(*centre, in_unit(points[-1][1], _defaults(panel)["unit"]), fontsize=14, color=INK, ha="center")


def _table(back: Axes, rows: list[dict[str, Any]], wide: float, high: float) -> None:
    heads = list(rows[0])
    fits = int((high - 0.95) / 0.26)
    for column, head in enumerate(heads):
        x = 0.15 + column * (wide - 0.3) / len(heads)
        back.text(x, high - 0.52, head, fontsize=8, color=FAINT, va="center")
        for number, row in enumerate(rows[:fits]):
            back.text(x, high - 0.8 - number * 0.26, str(row[head]), fontsize=8, color=INK, va="center")
    if len(rows) > fits:
        back.text(0.15, 0.15, f"… {len(rows) - fits} more rows", fontsize=7, color=FAINT, va="center")


def _colours(names: Iterable[str]) -> dict[str, str]:
    """Each its own, as long as there are enough."""
    names = list(names)
    taken = {FIXED[name] for name in names if name in FIXED}
    free = cycle([colour for colour in COLOURS if colour not in taken])
    return {name: FIXED.get(name) or next(free) for name in names}


def _timeseries(
    axes: Axes, panel: dict[str, Any], answers: list[Shown], times: tuple[datetime, datetime]
) -> None:
    lines = {name: points for one in answers for name, points in one.lines.items()}
    bars = _defaults(panel).get("custom", {}).get("drawStyle") == "bars"
    base: dict[float, float] = {}
    colours = _colours(sorted(lines))
    for name, points in sorted(lines.items()):
        moments = [datetime.fromtimestamp(at, UTC) for at, _ in points]
        values = [value for _, value in points]
        colour = colours[name]
        if bars:
            under = [base.get(at, 0) for at, _ in points]
            step = timedelta(hours=1) if any(moment.hour for moment in moments) else timedelta(days=1)
            axes.bar(
                [at + step / 2 for at in moments], values, 0.7 * step, bottom=under, color=colour, label=name
            )
            base |= {at: base.get(at, 0) + value for at, value in points}
        else:
            moments, values = _with_gaps(moments, values)
            axes.plot(moments, values, color=colour, linewidth=1.3, label=name)
    _time_axis(axes, times)
    _value_axis(axes, panel)
    _legend(axes, len(lines))


def _with_gaps(moments: list[datetime], values: list[float]) -> tuple[list[datetime], list[float]]:
    """A line ends where its values do: nothing is drawn over a time without any."""
    if len(moments) < 3:
        return moments, values
    usual = sorted(later - one for one, later in pairwise(moments))[len(moments) // 2]
    out: tuple[list[datetime], list[float]] = ([], [])
    for number, (moment, value) in enumerate(zip(moments, values, strict=True)):
        if number and moment - moments[number - 1] > 3 * usual:
            out[0].append(moment - usual)
            out[1].append(float("nan"))
        out[0].append(moment)
        out[1].append(value)
    return out


def _barchart(axes: Axes, panel: dict[str, Any], answers: list[Shown], _: tuple[datetime, datetime]) -> None:
    rows = answers[0].rows
    first, *names = list(rows[0])
    base = [0.0] * len(rows)
    for name, colour in _colours(names).items():
        values = [float(row[name]) for row in rows]
        axes.bar(range(len(rows)), values, 0.7, bottom=base, color=colour, label=name)
        base = [one + more for one, more in zip(base, values, strict=True)]
    axes.set_xticks(range(len(rows)), [f"{row[first]:%m-%d}" for row in rows])
    _value_axis(axes, panel)
    _legend(axes, len(names))


def _state_timeline(
    axes: Axes, panel: dict[str, Any], answers: list[Shown], times: tuple[datetime, datetime]
) -> None:
    lines = {name: points for one in answers for name, points in one.lines.items()}
    for row, points in enumerate(lines.values()):
        axes.axhline(row, color=EDGE, linewidth=7)
        for (at, value), (until, _) in pairwise(points):
            if value == 1:
                spans = [datetime.fromtimestamp(moment, UTC) for moment in (at, until)]
                axes.plot(spans, [row, row], color="#e08e0b", linewidth=7, solid_capstyle="butt")
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks(range(len(lines)), list(lines))
    box = axes.get_position()
    axes.set_position((box.x0 + 0.055, box.y0 - 0.004, box.width - 0.055, box.height))
    _time_axis(axes, times)
    _plain(axes)


def _time_axis(axes: Axes, times: tuple[datetime, datetime]) -> None:
    axes.set_xlim(*times)  # type: ignore[arg-type]
    days = times[1] - times[0] > timedelta(days=2)
    axes.xaxis.set_major_locator(dates.DayLocator() if days else dates.AutoDateLocator(maxticks=9))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%m-%d" if days else "%H:%M:%S", tz=UTC))


def _value_axis(axes: Axes, panel: dict[str, Any]) -> None:
    defaults = _defaults(panel)
    top = defaults.get("max")
    if "scaleDistribution" in defaults.get("custom", {}):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(FixedLocator([0.01, 0.1, 1, 10, 60, 600, 3600, 36_000]))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(0, top * 1.1 if top else max(axes.get_ylim()[1], 1) * 1.05)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=defaults.get("unit") is None))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: in_unit(value, defaults.get("unit"))))
    axes.grid(axis="y", color=EDGE, linewidth=0.6)
    axes.set_axisbelow(True)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=7, colors=FAINT, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _legend(axes: Axes, entries: int) -> None:
    axes.legend(
        loc="upper left", bbox_to_anchor=(-0.06, -0.1), ncols=min(entries, 6), fontsize=7, frameon=False,
        labelcolor=INK, handlelength=1.2, columnspacing=1.2, borderaxespad=0,
    )  # fmt: skip


PLOTS: dict[str, Callable[[Axes, dict[str, Any], list[Shown], tuple[datetime, datetime]], None]] = {
    "timeseries": _timeseries, "barchart": _barchart, "state-timeline": _state_timeline,
}  # fmt: skip
