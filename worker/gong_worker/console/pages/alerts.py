"""The alerts that stand, and whether a message gets through."""

from gong_worker import notify
from gong_worker.alerts_settings import AlertSettings
from gong_worker.console.dialogs import Dialog
from gong_worker.console.frame import Page
from gong_worker.console.widgets import Table, Text, at, button
from gong_worker.operations.alerts import Trial, send_test, standing_alerts
from gong_worker.operations.services import Services
from gong_worker.queue.alerts import StandingAlert


async def show_alerts(page: Page) -> None:
    """The alerts that stand, and those whose trouble has not stood long enough to be told; a test for operators."""
    user = page.console.user()

    def standing(services: Services) -> list[StandingAlert]:
        return standing_alerts(services.client)

    found = await page.console.backend.run(standing)
    dialog = Dialog(page, "Alerts")
    with dialog.anew():
        rows = [
            (one.key, at(one.since), "yes" if one.told else "not yet", one.target, one.text) for one in found
        ]
        heads = ("Alert", "Since", "Told", "Target", "What")
        standing_now = Table("One for each address that is told", heads, empty="none", classes="words")
        standing_now.fill(rows, lambda: rows)
        trial = _TestMessage(page) if user.operates else None
    with dialog.buttons():
        if trial is not None:
            button("Send a test", page.action(trial.send), kind="primary")


class _TestMessage:
    """What came of a test message to each address that the console has."""

    def __init__(self, page: Page) -> None:
        self._page = page
        Text("h3", "Test message")
        self._told = Text("p", "To every address of GONG_VIEWS_ALERT_URLS, as this console has it.").props(
            "role=status"
        )
        self._table = Table(
            "What came of it", ("Address", "Scheme", "Target", "Delivered"), empty="not sent yet"
        )
        self._table.fill((), lambda: ())
        self._under_way = False

    async def send(self) -> None:
        """Send it, once at a time."""
        self._page.console.operator()
        if self._under_way:
            return
        self._under_way = True
        self._told.show("Sending …")
        sent: list[Trial] | None = None
        try:
            sent = await self._page.console.backend.run(_send)
        finally:
            self._under_way = False
            if not self._page.is_gone:
                self._told.show(_told(sent))
        rows = [(str(one.number), one.scheme, one.target, "yes" if one.delivered else "no") for one in sent]
        self._table.fill(rows, lambda: rows)


def _send(_services: Services) -> list[Trial]:
    return send_test(AlertSettings.load(), notify.send)


def _told(sent: list[Trial] | None) -> str:
    if sent is None:
        return "Nothing was sent."
    lost = sum(not one.delivered for one in sent)
    return f"Sent; to {lost} of {len(sent)} it did not get through." if lost else "It got through to all."
