"""Parts of the traffic that are held by themselves: release them, or make dead letters of what is set aside."""

from collections.abc import Sequence
from functools import partial

from nicegui import ui

from gong_worker.console.dialogs import Dialog
from gong_worker.console.errors import InputProblem
from gong_worker.console.frame import Page
from gong_worker.console.widgets import Cell, Table, Text, at, button
from gong_worker.console.words import number
from gong_worker.domain.parts import Part
from gong_worker.operations import gate
from gong_worker.operations.gate import GateChange
from gong_worker.operations.status import Hold


def tell_change(page: Page, told: Text, change: GateChange) -> None:
    """Say what an action on the gate changed, and show the gate as it is from now on."""
    lacking = f" Not in the audit: {change.audit_error}" if change.audit_error else ""
    told.show(f"Done: {change.changed}.{lacking}")
    page.console.backend.forget()


class HeldParts:
    """The table of held parts. `told`: where to say what was changed."""

    def __init__(self, page: Page, told: Text) -> None:
        self._page, self._told = page, told
        heads = ("Part", "Set aside", "Until", "Why", "By")
        self._table = Table(
            "Their events are set aside and stop nobody else",
            (*heads, "Change") if page.user.operates else heads,
            empty="no part is held",
        )

    def show(self, holds: Sequence[Hold]) -> None:
        """Show the holds of parts."""
        self._table.fill(list(holds), lambda: [self._row(hold) for hold in holds])

    def _row(self, hold: Hold) -> Sequence[Cell]:
        cells = (
            str(hold.part),
            number(hold.messages),
            at(hold.until) or "until released",
            hold.note,
            hold.by or "",
        )
        return (*cells, lambda: self._change(hold.part)) if self._page.user.operates else cells

    def _change(self, part: Part | None) -> None:
        if part is not None:
            with ui.element("div").classes("toolbar"):
                release = self._page.action(partial(self._release, part))
                button("Release", release, label=f"Release {part}")
                drop = self._page.action(partial(self._ask_drop, part))
                button("Drop …", drop, kind="danger", label=f"Drop what is set aside of {part}")

    async def _release(self, part: Part) -> None:
        by = self._page.console.operator().name
        change = await self._page.console.backend.run(gate.release, by=by, part=part)
        tell_change(self._page, self._told, change)

    async def _ask_drop(self, part: Part) -> None:
        self._page.console.operator()
        dialog = Dialog(self._page, f"Drop {part}")
        with dialog.anew():
            Text("p", "What is set aside becomes dead letters, each of which can still be replayed.")
            why = ui.input("Why").props("outlined autofocus")

        async def drop() -> None:
            by = self._page.console.operator().name
            try:
                change = await self._page.console.backend.run(gate.drop, part, why.value.strip(), by=by)
            except ValueError as error:
                raise InputProblem(str(error)) from None
            dialog.close()
            tell_change(self._page, self._told, change)

        with dialog.buttons():
            button("Drop", self._page.action(drop), kind="danger")
