"""What is going on, why, and until when."""

from datetime import UTC, datetime

from nicegui import ui

from gong_worker.console import chart
from gong_worker.console.frame import Console, Page
from gong_worker.console.gate_view import BudgetBar, GateView
from gong_worker.console.pages.alerts import show_alerts
from gong_worker.console.pages.reconciliation import show_reconciliation
from gong_worker.console.pages.waiting import show_queue
from gong_worker.console.widgets import Table, Text, at, button, section
from gong_worker.console.words import age, drained, number
from gong_worker.ledger import HourOutcome
from gong_worker.operations.activity import last_day
from gong_worker.operations.status import Status, other_ledgers


def add(console: Console) -> None:
    """Serve the page."""

    @ui.page("/")
    async def overview() -> None:
        page = Page(console, "/")
        view = Overview(page)

        async def refresh() -> None:
            view.show(await console.backend.status(), datetime.now(UTC))
            view.show_day(await console.backend.run(last_day), datetime.now(UTC))

        await page.live(refresh)


class Overview:
    """The page's parts, shown anew in place."""

    def __init__(self, page: Page) -> None:
        with ui.element("div").classes("cards"):
            with section("Gate"):
                self._gate = GateView()
            with section("Calls to Gong"):
                self._budget = BudgetBar()
            with section("Backlog"):
                self._backlog = Table("Messages that wait", ("Lane", "Messages", "Oldest waits"), empty="")
                self._queue_problem = Text("p", "", "problem")
                self._drained = Text("p", "", "drained")
                with ui.element("div").classes("toolbar"):
                    button("What waits …", page.action(lambda: show_queue(page)))
                    button("Reconcile …", page.action(lambda: show_reconciliation(page)))
                    button("Alerts …", page.action(lambda: show_alerts(page)))
            with section("Events"):
                self._events = Table(
                    "Events by state", ("State", "Events"), empty="the ledger does not answer"
                )
                self._ledger_problem = Text("p", "", "problem")
            with section("Attempts of the last 24 hours", "wide"):
                self._chart = ui.html("", sanitize=False)
                with ui.element("ul").classes("legend"):
                    self._legend = {kind.name: Text("li", "", kind.name) for kind in chart.KINDS}
            with section("Workers", "wide"):
                self._workers = Table(
                    "Workers", ("Worker", "Version", "Threads", "In hand", "State", "Silent since"),
                    empty="none has been heard of: start gong-views worker",
                )  # fmt: skip
                self._ledgers = Text("p", "", "problem")

    def show(self, found: Status, now: datetime) -> None:
        """Show the status."""
        self._gate.show(found.gate, now)
        self._budget.show(found.calls, now)
        queue, oldest = found.queue, found.oldest_waiting
        backlog = [
            ("live", number(queue.live), age(oldest.live_seconds)),
            ("bulk", number(queue.bulk), age(oldest.bulk_seconds)),
            ("waiting for another try", number(queue.delayed), ""),
            ("in hand of workers", number(queue.unacked), ""),
            ("set aside, their part is held", number(queue.held), ""),
        ]
        self._backlog.fill(backlog, lambda: backlog)
        self._queue_problem.show(queue.error or "")
        self._drained.show(drained(found.drain, now))
        ledger = found.ledger
        events = [
            ("delivered", number(ledger.delivered)), ("waiting", number(ledger.waiting)),
            ("sending", number(ledger.sending)), ("dead", number(ledger.dead)),
            ("open dead letters", number(found.dead_letters.open)),
            ("dead without one: discarded, or their replay waits", number(_without_letter(found))),
            ("duplicates", number(ledger.duplicates)),
        ]  # fmt: skip
        self._events.fill(events, lambda: events)
        self._ledger_problem.show(ledger.error or "")
        workers = [
            (
                worker.id, worker.version, str(worker.concurrency), str(worker.in_hand),
                f"paused: {worker.paused}" if worker.paused else "alive" if worker.alive else "silent",
                "" if worker.alive else at(worker.heartbeat_at),
            )
            for worker in found.workers
        ]  # fmt: skip
        self._workers.fill(workers, lambda: workers)
        self._ledgers.show(other_ledgers(found.workers) or "")

    def show_day(self, found: list[HourOutcome], now: datetime) -> None:
        """Show the last day's attempts."""
        self._chart.set_content(chart.svg(found, now))
        for name, count in chart.totals(found).items():
            self._legend[name].show(f"{count:,} {name}")


def _without_letter(found: Status) -> int | None:
    dead, letters = found.ledger.dead, found.dead_letters.open
    return None if dead is None or letters is None else max(0, dead - letters)
