"""An edited export, sent back: what is wrong in it by line, the count, the cost and the differences first."""

from nicegui import ui

from gong_worker.console.dialogs import BulkDialog
from gong_worker.console.frame import Page
from gong_worker.console.pages.letter_edits import Edits, Refresh, ask_edit
from gong_worker.console.uploads import receive
from gong_worker.console.widgets import Text, button
from gong_worker.console.words import shortened
from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations.edited_letters import MAX_LETTERS, EditedLetters, read_upload
from gong_worker.operations.replays import payloads_of
from gong_worker.operations.services import Services


async def replay_file(page: Page, done: Refresh) -> None:
    """Ask for the file, check it, and replay its letters with its payloads when told to."""
    limits = page.console.uploads.limits
    page.console.operator()
    dialog = BulkDialog(page, "Replay an edited file", "replayed", done)
    with dialog.anew():
        Text(
            "p",
            f"An export of JSON lines with its payloads edited: {MAX_LETTERS:,} letters and "
            f"{limits.max_body_bytes / 1e6:g} MB at most. It is checked first; nothing is sent yet.",
        )
        with ui.element("label").classes("file"):
            Text("span", "The file")
            chosen = ui.element("input").props('type=file accept=".jsonl,.ndjson,.json,.txt"')
        problems = ui.element("ul").classes("problems").props("role=alert")

    async def check() -> None:
        path, sent = page.console.expect_file()
        body = await receive(chosen, path, sent, limits)

        def read(_services: Services) -> EditedLetters:
            return read_upload(body)

        letters = await page.console.backend.run(read)
        problems.clear()
        if letters.problems:
            with problems:
                for line in shortened(letters.problems):
                    Text("li", line)
                Text("li", "Nothing is sent: mend the file, and choose it again.")
            return
        wanted = DeadLetterFilter(ids=tuple(letters.payloads))
        await ask_edit(
            page, dialog, Edits(wanted, payloads_of(letters.payloads), {"file": True}, letters.lines)
        )

    with dialog.buttons():
        button("Check the file", page.action(check), kind="primary")
