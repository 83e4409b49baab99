"""The fields that say from when to when, in UTC."""

from datetime import UTC, datetime, timedelta
from typing import Final

from nicegui import ui

from gong_worker.console.errors import InputProblem
from gong_worker.console.pages.fields import choice

_AGES: Final = {"": "any time", "1": "the last hour", "24": "the last day", "168": "the last week"}
_LATEST: Final = "9999-12-31T23:59"


class Period:
    """Three fields: not longer ago than, from, and before. What is given of them has to hold, all of it."""

    def __init__(self, what: str) -> None:
        self._age = choice(f"{what} in", _AGES, "")
        self._from = _moment(f"{what} from (UTC)")
        self._before = _moment(f"{what} before (UTC)")

    def read(self) -> tuple[datetime | None, datetime | None]:
        """From when (a moment that still counts) to when (one that does not). Raises InputProblem for no period."""
        since, until = _read(self._from), _read(self._before)
        if self._age.value:
            young = datetime.now(UTC) - timedelta(hours=int(self._age.value))
            since = young if since is None else max(since, young)
        if since is not None and until is not None and since >= until:
            raise InputProblem(f"the time ends before it begins: from {since:%Y-%m-%d %H:%M} UTC")
        return since, until

    def clear(self) -> None:
        """Any time."""
        for field in (self._age, self._from, self._before):
            field.value = ""


def _moment(label: str) -> ui.input:
    field = ui.input(label).props(f"dense outlined stack-label type=datetime-local max={_LATEST}")
    return field.classes("moment")


def _read(field: ui.input) -> datetime | None:
    if not field.value:
        return None
    try:
        return datetime.fromisoformat(field.value).replace(tzinfo=UTC)
    except ValueError:
        raise InputProblem(f"no time: {field.value}") from None
