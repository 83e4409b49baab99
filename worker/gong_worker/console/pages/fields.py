"""The fields of the pages' forms."""

from typing import Any

from nicegui import ui


def text_field(label: str) -> ui.input:
    """A field for a text."""
    return ui.input(label).props("dense outlined")


def choice(label: str, options: dict[str, Any], value: str) -> ui.select:
    """A field for one of several values."""
    return ui.select(options, label=label, value=value).props("dense outlined options-dense")
