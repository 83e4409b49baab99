"""The panels that have axes: lines, bars, and states over time."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import cycle, pairwise
from typing import Any

from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from tests.board_pictures.panels import Shown, in_unit

INK, FAINT, EDGE = "#1f2733", "#6b7785", "#d5dbe1"
COLOURS = ["#2f7ed8", "#e08e0b", "#3fa45b", "#c0392b", "#8457b3", "#1aa3a3", "#b5651d", "#7f8c8d", "#d6589f"]
# What means the same everywhere looks the same everywhere.
FIXED = {
    "live": "#2f7ed8", "bulk": "#e08e0b", "live p50": "#2f7ed8", "live p95": "#8fbaea", "bulk p50": "#e08e0b",
    "bulk p95": "#f2c98a", "delivered": "#3fa45b", "accepted": "#3fa45b", "already_reported": "#1aa3a3",
    "rejected": "#c0392b", "dead": "#c0392b", "throttled": "#e08e0b", "server_error": "#8457b3", "failed": "#8457b3",
    "duplicates": "#7f8c8d", "limit": "#7f8c8d", "the company's limit": "#c0392b",
}  # fmt: skip


def defaults_of(panel: dict[str, Any]) -> dict[str, Any]:
    """A panel's unit, bounds and the like."""
    found: dict[str, Any] = panel["fieldConfig"]["defaults"]
    return found


def _colours(names: Iterable[str]) -> dict[str, str]:
    """Each its own, as long as there are enough."""
    names = list(names)
    taken = {FIXED[name] for name in names if name in FIXED}
    free = cycle([colour for colour in COLOURS if colour not in taken])
    return {name: FIXED.get(name) or next(free) for name in names}


def timeseries(
    axes: Axes, panel: dict[str, Any], answers: list[Shown], times: tuple[datetime, datetime]
) -> None:
    lines = {name: points for one in answers for name, points in one.lines.items()}
    bars = defaults_of(panel).get("custom", {}).get("drawStyle") == "bars"
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


def barchart(axes: Axes, panel: dict[str, Any], answers: list[Shown], _: tuple[datetime, datetime]) -> None:
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


def state_timeline(
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
    defaults = defaults_of(panel)
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
    "timeseries": timeseries, "barchart": barchart, "state-timeline": state_timeline,
}  # fmt: skip
