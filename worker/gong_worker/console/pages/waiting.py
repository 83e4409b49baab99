"""The next messages that wait: a look that costs something, so only on demand."""

from collections.abc import Sequence

from gong_views.names import Lane
from gong_worker.console.dialogs import Dialog
from gong_worker.console.frame import Page
from gong_worker.console.pages.fields import choice
from gong_worker.console.widgets import Cell, Table, at
from gong_worker.console.words import age
from gong_worker.operations.queue import WaitingMessage, peek
from gong_worker.operations.services import Services

PEEKED = 50
_PLACES = {"live": "the lane live", "bulk": "the lane bulk", "delayed": "waiting for another try"}


async def show_queue(page: Page) -> None:
    """The next messages, in the order in which they are taken, without their payloads."""
    page.console.user()
    dialog = Dialog(page, "What waits")
    with dialog.anew():
        place = choice("Where", _PLACES, "live")
        table = Table(
            f"The next {PEEKED} messages",
            ("Event", "Content", "Source", "Ahead", "Age", "Due", "Replay of"),
            empty="none waits",
        )

    async def look() -> None:
        wanted = None if place.value == "delayed" else Lane(place.value)

        def peeked(services: Services) -> list[WaitingMessage]:
            return peek(services.client, wanted, limit=PEEKED)

        found = await page.console.backend.run(peeked)
        table.fill(found, lambda: [_message(one) for one in found])

    place.on_value_change(page.action(look))
    with dialog.buttons():
        pass
    await look()


def _message(one: WaitingMessage) -> Sequence[Cell]:
    return (
        f"{one.reporting_system}/{one.event_id}" if one.readable else "unreadable", one.content_id or "",
        one.source or "", "" if one.ahead is None else f"{one.ahead:,}", age(one.age_seconds), at(one.due_at),
        "" if one.replay_of is None else f"letter {one.replay_of}",
    )  # fmt: skip
