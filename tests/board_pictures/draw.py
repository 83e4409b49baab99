"""A board as a picture: each panel at its place, drawn from the answers to its questions."""

from datetime import datetime
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Wedge

from tests.board_pictures.panels import Shown, in_unit
from tests.board_pictures.plots import EDGE, FAINT, INK, PLOTS, defaults_of
from tests.support import boards

matplotlib.use("Agg")
from matplotlib import pyplot

UNIT_WIDTH, UNIT_HEIGHT, HEAD = 0.6, 0.42, 0.75  # inches of a column, of a row, and of the board's own title


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


def _stat(back: Axes, panel: dict[str, Any], answers: list[Shown], wide: float, high: float) -> None:
    lines, defaults = answers[0].lines, defaults_of(panel)
    if panel["options"].get("textMode") == "name":
        text = ", ".join(lines)
    else:
        text = ", ".join(in_unit(points[-1][1], defaults.get("unit")) for points in lines.values())
    size = 24 if len(text or defaults.get("noValue", "")) < 12 else 13
    text = text or defaults.get("noValue", "No data")
    back.text(wide / 2, high / 2 - 0.15, text, fontsize=size, color="#2d8a4e", ha="center", va="center")


def _gauge(back: Axes, panel: dict[str, Any], answers: list[Shown], wide: float, high: float) -> None:
    [points] = answers[0].lines.values()
    part = min(points[-1][1] / defaults_of(panel)["max"], 1)
    centre = (wide / 2, 0.35)
    back.add_patch(Wedge(centre, 0.78, 0, 180, width=0.2, facecolor=EDGE))
    back.add_patch(Wedge(centre, 0.78, 180 - 180 * part, 180, width=0.2, facecolor="#3fa45b"))
    back.text(
        *centre, in_unit(points[-1][1], defaults_of(panel)["unit"]), fontsize=14, color=INK, ha="center"
    )


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
