"""Who did what, when and why."""

from nicegui import ui

from gong_worker.console.frame import Console, Page
from gong_worker.console.pager import PAGE_SIZE, Pager
from gong_worker.console.widgets import Table, at, button, section
from gong_worker.display import json_text
from gong_worker.domain.audit import AuditAction
from gong_worker.ledger import AuditEntry, AuditPage
from gong_worker.operations.audit import list_actions
from gong_worker.operations.services import Services

PATH = "/audit"


def add(console: Console) -> None:
    """Serve the page."""

    @ui.page(PATH, response_timeout=60)
    async def audit() -> None:
        page = Page(console, PATH)
        await page.live(Audit(page).refresh)


class Audit:
    """The page's parts and where in the list it is."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._wanted_action, self._wanted_by = "", ""
        apply = page.action(self._apply)
        with (
            section("Which"),
            ui.element("form").classes("filter").on("submit.prevent", apply).props('aria-label="Filter"'),
        ):
            actions = {"": "any", **{one.value: one.value for one in AuditAction}}
            self._action = ui.select(actions, label="Action", value="").props("dense outlined options-dense")
            self._by = ui.input("By").props("dense outlined")
            button("Apply", lambda: None, kind="primary").props("type=submit")
        with section("Actions"):
            self._table = Table(
                "What was done, the latest first",
                ("At", "By", "Action", "How many", "To what", "Why", "Details"),
                empty="nothing yet",
            )
            self._pager = Pager[int](page, self.refresh)

    async def refresh(self) -> None:
        """Ask for the page of the audit, and show it if it has changed."""
        action = AuditAction(self._wanted_action) if self._wanted_action else None
        by, before = self._wanted_by or None, self._pager.cursor

        def read(services: Services) -> AuditPage:
            return list_actions(services.ledger, limit=PAGE_SIZE, before_id=before, action=action, by=by)

        found = await self._page.console.backend.run(read)
        self._table.fill(found.entries, lambda: [_row(entry) for entry in found.entries])
        self._pager.show(len(found.entries), found.total, found.next)

    async def _apply(self) -> None:
        self._wanted_action, self._wanted_by = self._action.value, self._by.value.strip()
        self._pager.restart()
        await self.refresh()


def _row(entry: AuditEntry) -> tuple[str, ...]:
    return (
        at(entry.at), entry.by, entry.action.value, f"{entry.count:,}",
        "" if entry.target is None else json_text(entry.target), entry.reason or "",
        "" if entry.details is None else json_text(entry.details),
    )  # fmt: skip
