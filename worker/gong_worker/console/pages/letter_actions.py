"""Replay, edit and discard a selection of dead letters: the cost first, then progress, then what became of it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from nicegui import ui

from gong_views.names import Lane
from gong_worker.console.dialogs import BulkDialog, Dialog
from gong_worker.console.errors import InputProblem
from gong_worker.console.frame import Page
from gong_worker.console.pages.letter_filter import choice
from gong_worker.console.widgets import Text, button
from gong_worker.console.words import SHOWN, cost_text
from gong_worker.display import json_text
from gong_worker.domain.edits import edit_from
from gong_worker.domain.reasons import check_reason
from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations.dead_letters import Bulk, BulkResult, note_shown
from gong_worker.operations.dead_letters import discard as run_discard
from gong_worker.operations.exports import ExportFormat
from gong_worker.operations.replays import Plan, Replacement, edit_of, plan
from gong_worker.operations.replays import replay as run_replay
from gong_worker.operations.services import Services

_LANES = {Lane.BULK.value: "bulk: behind what is live", Lane.LIVE.value: "live: goes first"}
Refresh = Callable[[], Awaitable[None]]


async def replay(page: Page, wanted: DeadLetterFilter, done: Refresh) -> None:
    """Send the letters again as they are."""
    page.console.operator()
    dialog = BulkDialog(page, "Replay", "replayed", done)

    async def ask(lane: Lane) -> None:
        found = await page.console.backend.run(plan, wanted, lane=lane)
        dialog.ask(
            [f"{found.letters:,} dead letters: {cost_text(found.cost, datetime.now(UTC))}"],
            f"Replay {found.letters:,}",
            found.letters,
            lambda services, bulk: run_replay(services, wanted, bulk, lane=lane),
        )
        with dialog.body:
            field = choice("To the lane", _LANES, lane.value)
            field.on_value_change(page.action(lambda: ask(Lane(field.value))))

    await ask(Lane.BULK)


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
        Text("p", "The audit notes that you made it. JSON lines can be edited and replayed by the command.")

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
        sets = ui.textarea("Set: viewer.email=a@b.example, or path:=JSON").props("outlined autogrow")
        unsets = ui.textarea("Remove: trackingId").props("outlined autogrow")

    async def ask() -> None:
        edit = edit_from(_lines(sets.value), _lines(unsets.value))
        if not edit.paths:
            raise InputProblem("say what to change")
        details = {"set": sorted(edit.set), "unset": list(edit.unset)}
        await ask_edit(page, dialog, wanted, edit_of(edit), details)

    with dialog.buttons():
        button("Show the difference", page.action(ask), kind="primary")


async def ask_edit(
    page: Page,
    dialog: BulkDialog,
    wanted: DeadLetterFilter,
    replacement: Replacement,
    details: dict[str, Any],
) -> None:
    """Check every letter with its change, show what differs, and replay when told to."""
    user = page.console.operator()

    def planned(services: Services) -> Plan:
        found = plan(services, wanted, lane=Lane.BULK, replacement=replacement)
        note_shown(services.ledger, [one.id for one in found.examples], by=user.name)
        return found

    found = await page.console.backend.run(planned)
    lines = [f"dead letter {one.id} cannot be sent: {one.error}" for one in found.invalid[:SHOWN]]
    if found.invalid:
        dialog.ask(
            [f"Nothing is sent: {len(found.invalid):,} would be no valid event.", *lines], "", 0, _nothing
        )
    else:
        dialog.ask(
            [
                f"{found.letters:,} dead letters, {found.edited:,} of them changed: "
                f"{cost_text(found.cost, datetime.now(UTC))}"
            ],
            f"Replay {found.letters:,}",
            found.letters,
            lambda services, bulk: run_replay(
                services, wanted, bulk, replacement=replacement, details=details
            ),
        )
    with dialog.body:
        _difference(found)


def _difference(found: Plan) -> None:
    for one in found.examples:
        Text("h3", f"Dead letter {one.id}, event {one.event_id}")
        with ui.element("dl").classes("difference"):
            for change in one.changes:
                Text("dt", change.path)
                for name, value in (("before", change.before), ("after", change.after)):
                    Text("dd", "(absent)" if value is None else json_text(value), name)


def _nothing(_services: Services, _bulk: Bulk) -> BulkResult:
    return BulkResult()


def _lines(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").splitlines() if line.strip()]
