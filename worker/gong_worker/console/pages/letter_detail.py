"""One dead letter with its payload, which the audit notes; an operator can edit it and send it again."""

from typing import Any

from nicegui import ui

from gong_views.json_input import JsonError, read_json
from gong_worker.console.dialogs import BulkDialog
from gong_worker.console.errors import InputProblem
from gong_worker.console.frame import Page
from gong_worker.console.pages.letter_edits import Edits, Refresh, ask_edit
from gong_worker.console.widgets import Table, Text, at, button
from gong_worker.display import json_text
from gong_worker.ledger import DeadLetter, DeadLetterFilter
from gong_worker.operations.dead_letters import event_of, show_dead_letter
from gong_worker.operations.replays import payloads_of
from gong_worker.operations.services import Services

_IS_DARK = "document.body.classList.contains('body--dark')"


async def show_letter(page: Page, letter_id: int, done: Refresh) -> None:
    """Show the letter in a dialog."""
    user = page.console.reader()

    def read(services: Services) -> DeadLetter:
        return show_dead_letter(services.ledger, letter_id, by=user.name)

    letter = await page.console.backend.run(read)
    dialog = BulkDialog(page, f"Dead letter {letter_id}", "replayed", done)
    with dialog.anew():
        facts = _facts(letter)
        Table("The letter", ("", "Value"), empty="").fill(facts, lambda: facts)
        Text("h3", "Payload")
        if letter.payload is None:
            Text("p", "It is gone: the event was delivered, or the letter discarded.")
        else:
            text = json_text(event_of(letter), indent=2)
            if user.operates and letter.resolution is None:
                theme: Any = "githubDark" if await ui.run_javascript(_IS_DARK, timeout=5) else "githubLight"
                editor = ui.codemirror(text, language="JSON", theme=theme, line_wrapping=True)
                editor.classes("editor")
                dialog.keep_open()
                # The editor has no way to name what it edits for a screen reader.
                ui.timer(0.1, lambda: _name(editor), once=True)
            else:
                Text("pre", text).props('tabindex=0 aria-label="Payload"')

    async def ask() -> None:
        try:
            payload = read_json(editor.value)
        except JsonError as error:
            raise InputProblem(f"the payload {error}") from None
        only = DeadLetterFilter(ids=(letter_id,))
        await ask_edit(page, dialog, Edits(only, payloads_of({letter_id: payload}), {"payload": True}))

    with dialog.buttons():
        if user.operates and letter.resolution is None and letter.payload is not None:
            button("Show the difference", page.action(ask), kind="primary")


def _facts(letter: DeadLetter) -> list[tuple[str, str]]:
    resolution = letter.resolution.value if letter.resolution is not None else "open"
    by = f" by {letter.resolved_by}" if letter.resolved_by else ""
    return [
        ("Event", f"{letter.reporting_system}/{letter.event_id}" if letter.event_id else "none"),
        ("Died", f"{at(letter.created_at)}: {letter.reason.value}"),
        ("Gong's answer", f"{letter.http_status or 'none'}, request id {letter.request_id or 'none'}"),
        ("Gong's words", "; ".join(letter.errors) or "none"),
        ("Message", f"{letter.message_id}, lane {letter.lane.value}, source {letter.source or 'unknown'}"),
        ("Enqueued", at(letter.enqueued_at)),
        ("State", f"{resolution}{by} {at(letter.resolved_at)}".strip()),
    ]


def _name(editor: ui.codemirror) -> None:
    ui.run_javascript(
        f"getElement({editor.id}).$el.querySelector('.cm-content').setAttribute('aria-label', 'Payload as JSON')"
    )
