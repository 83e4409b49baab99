"""The form that says which dead letters are meant."""

from collections.abc import Awaitable, Callable
from enum import StrEnum

from nicegui import ui

from gong_views.names import Lane
from gong_worker.console.errors import InputProblem
from gong_worker.console.pages.fields import choice, text_field
from gong_worker.console.pages.period import Period
from gong_worker.console.widgets import button
from gong_worker.domain.states import DeadLetterReason, DeadLetterState
from gong_worker.ledger import DeadLetterFilter


class LetterFilter:
    """The form. `wanted` is the filter that was applied last."""

    def __init__(self, apply: Callable[[], Awaitable[None]], *, sees_payloads: bool) -> None:
        self.wanted = DeadLetterFilter()
        with ui.element("form").classes("filter").on("submit.prevent", apply).props('aria-label="Filter"'):
            self._state = choice("State", {one.value: one.value for one in DeadLetterState}, "open")
            self._reason = choice("Reason", {"": "any", **_names(DeadLetterReason)}, "")
            self._status = text_field("HTTP status").props("inputmode=numeric")
            self._system = text_field("Reporting system")
            self._content = text_field("Content id")
            self._source = text_field("Source")
            self._lane = choice("Lane", {"": "any", **_names(Lane)}, "")
            self._group = text_field("Group")
            # A search in what one may not see would tell of it.
            self._contains = text_field("Contains").props("maxlength=1000") if sees_payloads else None
            self._period = Period("Died")
            button("Apply", lambda: None, kind="primary").props("type=submit")
            button("Clear", self._cleared(apply))

    def choose_group(self, group: str) -> None:
        """Mean this group only."""
        self._group.value = group

    def read(self) -> DeadLetterFilter:
        """What the form says now; raises InputProblem for an HTTP status or a time that is none."""
        since, until = self._period.read()
        try:
            status = int(self._status.value) if self._status.value else None
        except ValueError:
            raise InputProblem("the HTTP status is a number") from None
        self.wanted = DeadLetterFilter(
            reason=DeadLetterReason(self._reason.value) if self._reason.value else None,
            contains=(self._contains.value or None) if self._contains is not None else None,
            http_status=status,
            reporting_system=self._system.value or None,
            content_id=self._content.value or None,
            source=self._source.value or None,
            lane=Lane(self._lane.value) if self._lane.value else None,
            since=since,
            until=until,
            group=self._group.value or None,
            state=DeadLetterState(self._state.value),
        )
        return self.wanted

    def _cleared(self, apply: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        fields = (self._status, self._system, self._content, self._source, self._group, self._contains)

        async def clear() -> None:
            for field in fields:
                if field is not None:
                    field.value = ""
            for one in (self._reason, self._lane):
                one.value = ""
            self._period.clear()
            self._state.value = "open"
            await apply()

        return clear


def _names(kind: type[StrEnum]) -> dict[str, str]:
    return {one.value: one.value for one in kind}
