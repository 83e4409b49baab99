"""Edited letters before they go: each checked, the cost and the differences, then the replay when told to."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from nicegui import ui

from gong_views.names import Lane
from gong_worker.console.dialogs import BulkDialog
from gong_worker.console.frame import Page
from gong_worker.console.pages.fields import choice
from gong_worker.console.widgets import Text
from gong_worker.console.words import cost_text, letter_name, shortened
from gong_worker.display import json_text
from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations.dead_letters import Bulk, BulkResult, note_shown
from gong_worker.operations.replays import Plan, Replacement, plan
from gong_worker.operations.replays import replay as run_replay
from gong_worker.operations.services import Services

LANES = {Lane.BULK.value: "bulk: behind what is live", Lane.LIVE.value: "live: goes first"}
Refresh = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Edits:
    """Letters and what is sent in their place. `details`: for the audit; `lines`: where each stands in its file."""

    wanted: DeadLetterFilter
    replacement: Replacement
    details: dict[str, Any]
    lines: Mapping[int, int] = field(default_factory=dict)


async def ask_edit(page: Page, dialog: BulkDialog, edits: Edits) -> None:
    """Check every letter with its change, show what differs, and replay when told to."""
    user = page.console.operator()

    def planned(services: Services, lane: Lane) -> Plan:
        return plan(services, edits.wanted, lane=lane, replacement=edits.replacement)

    def first(services: Services) -> Plan:
        found = planned(services, Lane.BULK)
        note_shown(services.ledger, [one.id for one in found.examples], by=user.name)
        return found

    found = await page.console.backend.run(first)
    with dialog.anew():
        dialog.place_question()
        to = choice("To the lane", LANES, Lane.BULK.value)
        others = ui.checkbox("Send the others all the same")
        _difference(found)
    to.set_visibility(found.letters > 0)
    others.set_visibility(found.letters > 0 and bool(found.invalid))

    def work(services: Services, bulk: Bulk) -> BulkResult:
        return run_replay(
            services,
            edits.wanted,
            bulk,
            lane=Lane(to.value),
            replacement=edits.replacement,
            details=edits.details,
        )

    def tell() -> None:
        skips = bool(others.value)
        sent = found.letters if skips or not found.invalid else 0
        dialog.question(
            _question(found, edits, skips=skips), f"Replay {sent:,}", sent, work, names=edits.lines
        )

    async def reckon() -> None:
        nonlocal found
        found = await page.console.backend.run(planned, Lane(to.value))
        tell()

    to.on_value_change(page.action(reckon))
    others.on_value_change(tell)
    tell()


def _question(found: Plan, edits: Edits, *, skips: bool) -> list[str]:
    lines = []
    if not (found.letters or found.invalid or edits.wanted.ids):
        lines.append("No dead letter is meant: nothing is sent.")
    if found.letters:
        cost = cost_text(found.cost, datetime.now(UTC))
        lines.append(f"{found.letters:,} dead letters, {found.edited:,} of them changed: {cost}")
    before = len(edits.wanted.ids or ()) - found.letters - len(found.invalid)
    if before > 0:
        lines.append(f"{before:,} have been dealt with before; nothing becomes of them.")
    if found.invalid:
        lead = "Left out" if skips else "Nothing is sent"
        lines.append(f"{lead}: {len(found.invalid):,} would be no valid event.")
        lines += shortened(
            [f"{letter_name(one.id, edits.lines)} cannot be sent: {one.error}" for one in found.invalid]
        )
    return lines


def _difference(found: Plan) -> None:
    if found.edited > len(found.examples):
        Text("p", f"The differences of the first {len(found.examples)}:")
    for one in found.examples:
        Text("h3", f"Dead letter {one.id}, event {one.event_id}")
        with ui.element("dl").classes("difference"):
            for change in one.changes:
                Text("dt", change.path)
                for name, value in (("before", change.before), ("after", change.after)):
                    Text("dd", "(absent)" if value is None else json_text(value), name)
