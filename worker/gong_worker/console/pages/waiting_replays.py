"""Replays that no worker has taken up: shown on demand, for that reads every waiting message."""

from collections.abc import Sequence

from gong_worker.console.dialogs import BulkDialog
from gong_worker.console.frame import Page
from gong_worker.console.widgets import Cell, Table, Text, at, button, section
from gong_worker.operations.replays import WaitingReplay, cancel_replays, waiting_replays

SHOWN = 100


class WaitingReplays:
    """The section with its table."""

    def __init__(self, page: Page) -> None:
        self._page = page
        with section("Replays that wait"):
            button("Show replays", page.action(self._look))
            self._told = Text("p", "").props("role=status")
            self._table = Table(
                "Replays in the lanes, the next ones first",
                ("Letter", "Event", "Lane", "Ahead", "Since", "Action"),
                empty="not asked for, or none waits",
            )
            self._cancel_all = button("Cancel all …", page.action(lambda: self._cancel(None)), kind="danger")
            self._cancel_all.set_enabled(False)
        self._table.fill((), lambda: ())

    async def _look(self) -> None:
        found = await self._page.console.backend.run(waiting_replays)
        self._told.show(f"{len(found):,} wait" + (f", {SHOWN} of them shown" if len(found) > SHOWN else ""))
        self._table.fill(found, lambda: [self._row(one) for one in found[:SHOWN]])
        self._cancel_all.set_enabled(bool(found))
        self._total = len(found)

    def _row(self, one: WaitingReplay) -> Sequence[Cell]:
        cancel = self._page.action(lambda: self._cancel(one.letter_id))
        return (
            str(one.letter_id), f"{one.reporting_system}/{one.event_id}", one.lane.value,
            "" if one.ahead is None else f"{one.ahead:,}", at(one.enqueued_at),
            lambda: button("Cancel …", cancel, label=f"Cancel the replay of letter {one.letter_id}"),
        )  # fmt: skip

    async def _cancel(self, letter_id: int | None) -> None:
        self._page.console.operator()
        total = self._total if letter_id is None else 1
        dialog = BulkDialog(self._page, "Cancel replays", "cancelled", self._look)
        dialog.ask(
            [f"{total:,} replays are taken off the queue; their letters are open again."],
            f"Cancel {total:,}",
            total,
            lambda services, bulk: cancel_replays(services, None if letter_id is None else [letter_id], bulk),
            danger=True,
        )
