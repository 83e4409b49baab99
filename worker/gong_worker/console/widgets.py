"""The few elements of which the pages are made: plain HTML, changed in place, and only when there is a change."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from gong_worker.display import escape_controls

Cell = str | Callable[[], object]
"""A cell's text, or what builds its content."""
_UNSET: Final = object()


class Text(TextElement):
    """An HTML element with a text, such as a heading. Control characters are shown escaped."""

    def __init__(self, tag: str, text: str = "", classes: str = "") -> None:
        super().__init__(tag=tag, text=shown(text))
        self.classes(classes)

    def show(self, text: str, classes: str | None = None) -> None:
        """Change the text, and the classes if given."""
        self.text = shown(text)
        if classes is not None:
            self.classes(replace=classes)


class Table:
    """A table with a heading of its own; on a phone each row is a card. Filled anew only when its rows differ."""

    def __init__(self, caption: str, columns: Sequence[str], *, empty: str, classes: str = "") -> None:
        self._columns, self._empty_text = columns, empty
        self._filled: object = _UNSET
        around = ui.element("div").classes("table").props("tabindex=0 role=region")
        around.props["aria-label"] = caption
        with around, ui.element("table").classes(classes):
            Text("caption", caption)
            with ui.element("thead"), ui.element("tr"):
                for column in columns:
                    Text("th", column).props("scope=col")
            self._body = ui.element("tbody")

    def fill(self, key: object, rows: Callable[[], Sequence[Sequence[Cell]]]) -> None:
        """Show the rows; `key` is what they are made of: the same key means the same rows."""
        if key == self._filled:
            return
        self._filled = key
        self._body.clear()
        with self._body:
            found = rows()
            for cells in found:
                with ui.element("tr"):
                    for column, cell in zip(self._columns, cells, strict=True):
                        self._cell(column, cell)
            if not found:
                with ui.element("tr"):
                    Text("td", self._empty_text, "empty").props(f"colspan={len(self._columns)}")

    def _cell(self, column: str, cell: Cell) -> None:
        if isinstance(cell, str):
            Text("td", cell).props["data-label"] = column
            return
        place = ui.element("td")
        place.props["data-label"] = column
        with place:
            cell()


def section(title: str, classes: str = "") -> Element:
    """A part of a page with its heading, to be filled in a `with`."""
    element = ui.element("section").classes(f"card {classes}")
    with element:
        Text("h2", title)
    return element


def button(
    text: str, action: Callable[[], object], *, kind: str = "plain", label: str | None = None
) -> ui.button:
    """A button; `kind` is `plain`, `primary` or `danger`. `label`: what it does, when the text alone is too short."""
    made = ui.button(text, on_click=action, color=None).props("no-caps unelevated").classes(f"button {kind}")
    if label is not None:
        made.props["aria-label"] = label
    return made


def shown(text: str) -> str:
    """Foreign text without control characters, line by line."""
    return "\n".join(escape_controls(line) for line in text.split("\n"))


def at(moment: datetime | None) -> str:
    """A time for people, in UTC."""
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float) -> str:
    """A length of time for people."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def until(moment: datetime, now: datetime) -> str:
    """A time to come, and how long it is until then."""
    return f"{at(moment)}, in {span((moment - now).total_seconds())}"
