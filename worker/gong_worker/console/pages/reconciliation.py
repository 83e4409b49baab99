"""Whether every message is accounted for; an operator can write off what is not."""

from nicegui import ui

from gong_worker.console.dialogs import Dialog
from gong_worker.console.errors import InputProblem
from gong_worker.console.frame import Page
from gong_worker.console.widgets import Table, Text, button
from gong_worker.domain.reasons import check_reason
from gong_worker.operations.reconcile import Reconciliation, accept_drift, reconcile
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import Services


async def show_reconciliation(page: Page) -> None:
    """What went in and what became of it, by the counters and the queue."""
    user = page.console.user()
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
    with dialog.body:
        with ui.element("div"):
            _reconciled(found)
        if found.drift and user.operates:
            _offer_write_off(page, dialog, found)


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
    unsettled = [(row.lane.value, row.day.isoformat(), f"{row.events:,}") for row in found.unsettled_events]
    if unsettled:
        Table(
            "Events that the ledger has taken up and not settled", ("Lane", "Day", "Events"), empty=""
        ).fill(unsettled, lambda: unsettled)


def _offer_write_off(page: Page, dialog: Dialog, found: Reconciliation) -> None:
    reason = ui.input("Why it is to be written off, such as: ledger of 14:00 restored").props("outlined")

    async def write_off() -> None:
        by, why = page.console.operator().name, reason.value.strip()
        check_reason(why)

        def accept(services: Services) -> None:
            if reconcile(services).drift != found.drift:
                raise InputProblem("the drift is another by now: look again")
            accept_drift(services, found.drift, by=by, reason=why)

        await page.console.backend.run(accept)
        with dialog.anew():
            Text("p", "Written off: it is no drift any more, and the audit keeps it.").props("role=status")
        with dialog.buttons():
            pass

    with dialog.buttons():
        button("Write off the drift", page.action(write_off), kind="danger")
