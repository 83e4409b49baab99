"""The gate: hold it, release it, and the company's limits."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

from nicegui import ui

from gong_worker.console.errors import InputProblem
from gong_worker.console.frame import Console, Page
from gong_worker.console.gate_view import BudgetBar, GateView
from gong_worker.console.pages.fields import choice, text_field
from gong_worker.console.pages.held_parts import HeldParts, tell_change
from gong_worker.console.widgets import Table, Text, button, section
from gong_worker.domain.parts import Part, PartKind
from gong_worker.gate.types import LimitOrigin, LimitView
from gong_worker.operations import gate
from gong_worker.operations.gate import GateChange
from gong_worker.operations.services import Services

PATH = "/gate"

_WHAT = {
    "": "every call",
    PartKind.REPORTING_SYSTEM.value: "the events of one reporting system",
    PartKind.CONTENT_ID.value: "the events of one content",
}


def add(console: Console) -> None:
    """Serve the page."""

    @ui.page(PATH, response_timeout=60)
    async def gate_page() -> None:
        page = Page(console, PATH)
        await page.live(GatePage(page).refresh)


class GatePage:
    """The page's parts."""

    def __init__(self, page: Page) -> None:
        self._page = page
        with ui.element("div").classes("cards"):
            with section("Gate"):
                self._gate = GateView()
                self._told = Text("p", "").props("role=status")
            with section("Calls to Gong"):
                self._budget = BudgetBar()
            if page.user.operates:
                with section("Hold"), ui.element("div").classes("stack"):
                    self._what = choice("What", _WHAT, "")
                    self._part = text_field("Name of the reporting system or content")
                    self._reason = ui.input("Why, for everyone to read").props("outlined dense")
                    self._minutes = ui.number("Minutes; empty: until released", min=0).props("outlined dense")
                    button("Hold", page.action(self._hold), kind="danger")
                with section("Release"), ui.element("div").classes("stack"):
                    Text("p", "Ends every hold that is ours to end. The day's quota always stands.")
                    self._even = ui.checkbox("also a Retry-After that was not Gong's")
                    button("Release", page.action(self._release), kind="primary")
            with section("Held parts", "wide"):
                self._parts = HeldParts(page, self._told)
            with section("Limits in force", "wide"):
                heads = ("Limit", "Value", "From", "By")
                self._limits = Table(
                    "For all workers", (*heads, "Change") if page.user.operates else heads, empty="unknown"
                )

    async def refresh(self) -> None:
        """Ask for the gate, and show what has changed."""
        backend = self._page.console.backend
        found, now = await backend.status(), datetime.now(UTC)
        self._gate.show(found.gate, now)
        self._budget.show(found.calls, now)
        self._parts.show([hold for hold in found.gate.holds if hold.part is not None])
        limits = await backend.run(gate.limits)
        self._limits.fill(limits, lambda: [self._limit(limit) for limit in limits])

    def _limit(self, limit: LimitView) -> list[str | Callable[[], object]]:
        set_by = limit.origin is LimitOrigin.OPERATOR
        cells: list[str | Callable[[], object]] = [
            limit.name, f"{limit.value:g}", limit.origin.value, limit.by,
        ]  # fmt: skip
        return [*cells, lambda: self._change(limit, set_by)] if self._page.user.operates else cells

    def _change(self, limit: LimitView, set_by: bool) -> None:
        page, name = self._page, limit.name
        with ui.element("div").classes("toolbar"):
            value = ui.number(f"New {name}", value=limit.value).props("outlined dense")
            button("Set", page.action(partial(self._set, name, value)), label=f"Set {name}")
            if set_by:
                button("Unset", page.action(partial(self._unset, name)), label=f"Unset {name}")

    async def _hold(self) -> None:
        reason, minutes = self._reason.value.strip(), self._minutes.value
        seconds = None if minutes is None else minutes * 60
        by = self._page.console.operator().name
        part = self._wanted_part()
        try:
            await self._done(
                self._page.console.backend.run(gate.hold, reason, by=by, for_seconds=seconds, part=part)
            )
        except ValueError as error:
            raise InputProblem(str(error)) from None
        self._reason.value = self._part.value = ""

    def _wanted_part(self) -> Part | None:
        if not self._what.value:
            return None
        try:
            return Part.given(PartKind(self._what.value), self._part.value.strip())
        except ValueError as error:
            raise InputProblem(str(error)) from None

    async def _release(self) -> None:
        by, even = self._page.console.operator().name, bool(self._even.value)
        await self._done(self._page.console.backend.run(gate.release, by=by, even_retry_after=even))

    async def _set(self, name: str, value: ui.number) -> None:
        by = self._page.console.operator().name
        if value.value is None:
            raise InputProblem(f"give a number for {name}")
        wanted = float(value.value) if name == "calls_per_second" else int(value.value)

        def change(services: Services) -> GateChange:
            return gate.set_limits(services, by=by, **{name: wanted})

        try:
            await self._done(self._page.console.backend.run(change))
        except ValueError as error:
            raise InputProblem(str(error)) from None

    async def _unset(self, name: str) -> None:
        by = self._page.console.operator().name
        await self._done(self._page.console.backend.run(gate.unset_limits, by=by, names=[name]))

    async def _done(self, change: Awaitable[GateChange]) -> None:
        tell_change(self._page, self._told, await change)
        await self.refresh()
