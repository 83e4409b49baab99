"""The calls of all workers as they end, the latest first."""

from collections import deque
from collections.abc import Sequence

from nicegui import ui

from gong_worker.console.frame import Page
from gong_worker.console.widgets import Cell, Table, Text, at, button, section
from gong_worker.ledger import AttemptFilter, AttemptLine
from gong_worker.operations.services import Services
from gong_worker.operations.tail import AttemptTail, follow

SHOWN = 50
POLL_SECONDS = 1.0


class LiveCalls:
    """The section. It follows when told to, and keeps its height whatever comes."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._wanted = AttemptFilter()
        self._tail: AttemptTail | None = None
        self._lines: deque[AttemptLine] = deque(maxlen=SHOWN)
        self._seen = 0
        self._timer: ui.timer | None = None
        with section("Calls as they end"):
            with ui.element("div").classes("toolbar"):
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
        """Follow these calls from now on."""
        self._wanted, self._tail = wanted, None
        self._lines.clear()
        self._show()

    async def _toggle(self) -> None:
        self._page.console.user()
        on = self._timer is None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        else:
            self.restrict(self._wanted)
            await self._poll()  # from now on, not from the first tick
            # Made now: one that is made with the page has it served before its first refresh.
            self._timer = ui.timer(POLL_SECONDS, self._page.action(self._poll))
        self._box.set_visibility(on)
        self._switch.text = "Stop" if on else "Follow"
        self._told.show("Following." if on else f"Off. {self._seen:,} calls were seen.")

    async def _poll(self) -> None:
        self._page.console.user()
        tail, wanted = self._tail, self._wanted

        def ended(services: Services) -> tuple[AttemptTail, list[AttemptLine]]:
            follows = follow(services, wanted) if tail is None else tail
            return follows, follows.poll()

        follows, found = await self._page.console.backend.run(ended)
        if wanted == self._wanted:
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
