"""Looks that cost something, so only on demand: the next messages, whether all is accounted for, and alerts."""

from collections.abc import Sequence

from nicegui import ui

from gong_views.names import Lane
from gong_worker.console.dialogs import Dialog
from gong_worker.console.frame import Page
from gong_worker.console.pages.letter_filter import choice
from gong_worker.console.widgets import Cell, Table, Text, at
from gong_worker.console.words import age
from gong_worker.operations.alerts import standing_alerts
from gong_worker.operations.queue import WaitingMessage, peek
from gong_worker.operations.reconcile import Reconciliation, reconcile
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import Services
from gong_worker.queue.alerts import StandingAlert

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


async def show_reconciliation(page: Page) -> None:
    """What went in and what became of it, by the counters and the queue."""
    page.console.user()
    dialog = Dialog(page, "Is every message accounted for?")
    with dialog.anew():
        told = Text("p", "Counting: it takes a second or two.").props("role=status")
    with dialog.buttons():
        pass
    try:
        found = await page.console.backend.run(reconcile)
    except Exception:
        dialog.close()  # the page says why
        raise
    if page.is_gone:
        return
    told.show("Drift: see below." if found.drift else "Yes: no drift.")
    with dialog.body, ui.element("div"):
        _reconciled(found)


def _reconciled(found: Reconciliation) -> None:
    totals = [
        (name.replace("_", " "), f"{count:,}")
        for name, count in to_json(found).items()
        if isinstance(count, int)
    ]
    Table("Messages", ("", "Messages"), empty="").fill(totals, lambda: totals)
    drift = [(row.lane.value, row.day.isoformat(), f"{row.missing:+,}") for row in found.drift]
    Table(
        "Drift (positive: missing; negative: came out uncounted)",
        ("Lane", "Day", "Missing"),
        empty="none: every message is accounted for",
    ).fill(drift, lambda: drift)


async def show_alerts(page: Page) -> None:
    """The alerts that stand, and those whose trouble has not stood long enough to be told."""
    page.console.user()

    def standing(services: Services) -> list[StandingAlert]:
        return standing_alerts(services.client)

    found = await page.console.backend.run(standing)
    dialog = Dialog(page, "Alerts")
    with dialog.anew():
        rows = [(one.key, at(one.since), "yes" if one.told else "not yet", one.text) for one in found]
        Table("One for each address that is told", ("Alert", "Since", "Told", "What"), empty="none").fill(
            rows, lambda: rows
        )
    with dialog.buttons():
        pass
