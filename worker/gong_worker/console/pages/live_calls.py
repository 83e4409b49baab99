"""The calls of all workers as they end, the latest first."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from nicegui import ui

from gong_worker.console.frame import Page
from gong_worker.console.pages.fields import choice
from gong_worker.console.widgets import Cell, Table, Text, at, button, section
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.ledger import AttemptFilter, AttemptLine
from gong_worker.operations.services import Services
from gong_worker.operations.tail import AttemptTail, follow

SHOWN = 50
_BEGINS = {"": "now", "1": "a minute ago", "10": "10 minutes ago", "60": "an hour ago"}
POLL_SECONDS = 1.0


class LiveCalls:
    """The section. It follows when told to, and keeps its height whatever comes."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._wanted = AttemptFilter()
        self._since: datetime | None = None
        self._tail: AttemptTail | None = None
        self._lines: deque[AttemptLine] = deque(maxlen=SHOWN)
        self._seen = 0
        self._timer: ui.timer | None = None
        with section("Calls as they end"):
            with ui.element("div").classes("toolbar"):
                outcomes = {"": "any", **{one.value: one.value for one in AttemptOutcome}}
                self._outcome = choice("Answer", outcomes, "")
                self._begin = choice("Begin", _BEGINS, "")
                for field in (self._outcome, self._begin):
                    field.on_value_change(self._begin_anew)
                self._switch = button("Follow", page.action(self._toggle), kind="primary")
                self._told = Text("span", "Off.").props("role=status")
            with ui.element("div").classes("live") as self._box:
                self._table = Table(
                    "The latest first",
                    ("At", "Event", "Attempt", "Answer", "Took", "Lane", "Source", "Request id"),
                    empty="no call has ended since",
                )
        self._box.set_visibility(False)

    def restrict(self, wanted: AttemptFilter) -> None:
        """Follow these calls from now on, as far as they have the answer that is chosen here."""
        self._wanted = wanted
        self._begin_anew()

    def _begin_anew(self) -> None:
        minutes = self._begin.value
        self._since = datetime.now(UTC) - timedelta(minutes=int(minutes)) if minutes else None
        outcome = AttemptOutcome(self._outcome.value) if self._outcome.value else None
        self._wanted, self._tail, self._seen = replace(self._wanted, outcome=outcome), None, 0
        self._lines.clear()
        self._show()

    async def _toggle(self) -> None:
        self._page.console.user()
        on = self._timer is None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        else:
            self._begin_anew()
            await self._poll()  # from now on, not from the first tick
            # Made now: one that is made with the page has it served before its first refresh.
            self._timer = ui.timer(POLL_SECONDS, self._page.action(self._poll))
        self._box.set_visibility(on)
        self._switch.text = "Stop" if on else "Follow"
        self._told.show("Following." if on else f"Off. {self._seen:,} calls were seen.")

    async def _poll(self) -> None:
        self._page.console.user()
        tail, wanted, since = self._tail, self._wanted, self._since

        def ended(services: Services) -> tuple[AttemptTail, list[AttemptLine]]:
            follows = follow(services, wanted, since=since) if tail is None else tail
            return follows, follows.poll()

        follows, found = await self._page.console.backend.run(ended)
        if (tail, wanted, since) == (self._tail, self._wanted, self._since):
            self._tail = follows
            self._seen += len(found)
            self._lines.extendleft(found)
            self._show()

    def _show(self) -> None:
        lines = list(self._lines)
        self._table.fill(lines, lambda: [_row(line) for line in lines])


def _row(line: AttemptLine) -> Sequence[Cell]:
    answer = "" if line.outcome is None else line.outcome.value
    if line.http_status is not None:
        answer += f" {line.http_status}"
    if line.error:
        answer += f": {line.error}"
    return (
        at(line.started_at), f"{line.reporting_system}/{line.event_id}", str(line.attempt_number), answer,
        "" if line.duration_ms is None else f"{line.duration_ms} ms", line.lane.value, line.source or "",
        line.request_id or "",
    )  # fmt: skip
