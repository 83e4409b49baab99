"""Replay, edit and discard a selection of dead letters: the cost first, then progress, then what became of it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from nicegui import ui

from gong_views.names import Lane
from gong_worker.console.dialogs import BulkDialog, Dialog
from gong_worker.console.errors import InputProblem
from gong_worker.console.frame import Page
from gong_worker.console.pages.fields import choice
from gong_worker.console.pages.letter_edits import LANES, Edits, Refresh, ask_edit
from gong_worker.console.widgets import Text, button
from gong_worker.console.words import cost_text
from gong_worker.domain.edits import edit_from
from gong_worker.domain.reasons import check_reason
from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations.dead_letters import Bulk, BulkResult
from gong_worker.operations.dead_letters import discard as run_discard
from gong_worker.operations.exports import ExportFormat
from gong_worker.operations.replays import edit_of, plan
from gong_worker.operations.replays import replay as run_replay
from gong_worker.operations.services import Services


async def replay(page: Page, wanted: DeadLetterFilter, done: Refresh) -> None:
    """Send the letters again as they are."""
    page.console.operator()
    dialog = BulkDialog(page, "Replay", "replayed", done)

    with dialog.anew():
        dialog.place_question()
        to = choice("To the lane", LANES, Lane.BULK.value)

    async def ask() -> None:
        found = await page.console.backend.run(plan, wanted, lane=Lane(to.value))
        dialog.question(
            [f"{found.letters:,} dead letters: {cost_text(found.cost, datetime.now(UTC))}"],
            f"Replay {found.letters:,}",
            found.letters,
            lambda services, bulk: run_replay(services, wanted, bulk, lane=Lane(to.value)),
        )

    to.on_value_change(page.action(ask))
    await ask()


async def discard(page: Page, wanted: DeadLetterFilter, done: Refresh) -> None:
    """Let the letters go."""
    page.console.operator()
    dialog = BulkDialog(page, "Discard", "discarded", done)

    def count(services: Services) -> int:
        letters, _, _ = services.ledger.count_dead_letters(wanted)
        return letters

    total = await page.console.backend.run(count)
    with dialog.anew():
        Text("p", f"{total:,} dead letters: their payloads and Gong's words are deleted for good.")
        reason = ui.input("Why").props("outlined autofocus")

    async def ask() -> None:
        why = reason.value.strip()
        check_reason(why)

        def work(services: Services, bulk: Bulk) -> BulkResult:
            return run_discard(services.ledger, wanted, bulk, reason=why)

        dialog.ask(
            [f"Discard {total:,} dead letters for good: {why}"],
            f"Discard {total:,}",
            total,
            work,
            danger=True,
        )

    with dialog.buttons():
        button("Go on", page.action(ask), kind="danger")


async def export(page: Page, wanted: DeadLetterFilter) -> None:
    """Offer the letters with their payloads as a file."""
    page.console.reader()
    dialog = Dialog(page, "Export")

    def count(services: Services) -> int:
        letters, _, _ = services.ledger.count_dead_letters(wanted)
        return letters

    total = await page.console.backend.run(count)
    with dialog.anew():
        Text("p", f"{total:,} dead letters with their payloads: the file holds people's names and addresses.")
        Text("p", "The audit notes that you made it. JSON lines can be edited, and sent back here.")

    def fetch(form: ExportFormat) -> Callable[[], Awaitable[None]]:
        async def offer() -> None:
            ui.download.from_url(page.console.offer(wanted, form))
            dialog.close()

        return offer

    with dialog.buttons():
        if total:
            button("CSV", page.action(fetch(ExportFormat.CSV)))
            button("JSON lines", page.action(fetch(ExportFormat.JSONL)), kind="primary")


async def edit_many(page: Page, wanted: DeadLetterFilter, done: Refresh) -> None:
    """Change fields of the letters and send them again."""
    page.console.operator()
    dialog = BulkDialog(page, "Edit and replay", "replayed", done)
    with dialog.anew():
        Text(
            "p",
            "One change a line. All events are checked first; if one is no valid event then, none is sent.",
        )
        sets = ui.textarea("Set: viewer.email=a@b.example, or path:=JSON")
        sets.props("outlined autogrow autofocus")
        unsets = ui.textarea("Remove: trackingId").props("outlined autogrow")

    async def ask() -> None:
        edit = edit_from(_lines(sets.value), _lines(unsets.value))
        if not edit.paths:
            raise InputProblem("say what to change")
        details = {"set": sorted(edit.set), "unset": list(edit.unset)}
        await ask_edit(page, dialog, Edits(wanted, edit_of(edit), details))

    with dialog.buttons():
        button("Show the difference", page.action(ask), kind="primary")


def _lines(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").splitlines() if line.strip()]
