"""Dead letters: by group and one by one; replay, edit and discard them."""

from collections.abc import Sequence
from dataclasses import replace

from nicegui import ui

from gong_worker.console.frame import Console, Page
from gong_worker.console.pager import PAGE_SIZE, Pager
from gong_worker.console.pages.letter_actions import discard, edit_many, export, replay
from gong_worker.console.pages.letter_detail import show_letter
from gong_worker.console.pages.letter_file import replay_file
from gong_worker.console.pages.letter_filter import LetterFilter
from gong_worker.console.pages.waiting_replays import WaitingReplays
from gong_worker.console.widgets import Cell, Table, Text, at, button, section
from gong_worker.ledger import (
    DeadLetterFilter,
    DeadLetterGroup,
    DeadLetterGroupNotFound,
    DeadLetterPage,
    DeadLetterSummary,
)
from gong_worker.operations.dead_letters import Groups, group_dead_letters, list_dead_letters
from gong_worker.operations.services import Services

PATH = "/dead-letters"
REFRESH_SECONDS = 10.0
# A search in the letters themselves reads them one by one; the page says where it has got to.
SEARCH_SECONDS = 0.15


def add(console: Console) -> None:
    """Serve the page."""

    @ui.page(PATH, response_timeout=60)
    async def dead_letters() -> None:
        page = Page(console, PATH)
        await page.live(DeadLetters(page).refresh, REFRESH_SECONDS)


class DeadLetters:
    """The page's parts and what is chosen in them."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._selected: set[int] = set()
        self._selections = 0
        self._grouped: DeadLetterFilter | None = None
        apply = page.action(self._apply)
        with section("Which"):
            self._filter = LetterFilter(apply, sees_payloads=page.user.sees_payloads)
        with section("Groups"):
            self._groups = Table(
                "Letters that failed alike",
                ("Letters", "Reason", "HTTP", "What Gong said", "First", "Last", "Group"),
                empty="no dead letter",
            )
        with section("Letters"):
            self._target: Text | None = None
            if page.user.sees_payloads:
                self._toolbar()
            heads = ("Number", "Died", "Reason", "HTTP", "What Gong said", "Event", "State")
            self._letters = Table(
                "Letters, the oldest first",
                ("Select", *heads) if page.user.sees_payloads else heads,
                empty="no dead letter",
            )
            self._more = Text("p", "").props("role=status")
            self._pager = Pager[int](page, self.refresh)
        if page.user.operates:
            WaitingReplays(page)

    async def refresh(self) -> None:
        """Ask for groups and letters, and show what has changed."""
        backend = self._page.console.backend
        wanted = self._filter.wanted
        try:
            self._show_letters(await backend.run(_letters, wanted, self._pager.cursor or 0))
        except DeadLetterGroupNotFound:
            self._show_letters(DeadLetterPage(0, None, []))  # not those of the filter before
            raise
        grouped = replace(wanted, group=None)
        # To look into every letter takes seconds among very many: once for a filter is enough.
        if not grouped.looks_into_each or grouped != self._grouped:
            self._show_groups(await backend.run(_groups, grouped))
            self._grouped = grouped

    def _toolbar(self) -> None:
        page = self._page
        with ui.element("div").classes("toolbar").props('role=toolbar aria-label="Actions"'):
            self._target = Text("span", "").props("role=status")
            button("Export …", page.action(lambda: export(page, self._meant())))
            if not page.user.operates:
                return
            button("Replay …", page.action(lambda: replay(page, self._meant(), self._acted)), kind="primary")
            button("Edit and replay …", page.action(lambda: edit_many(page, self._meant(), self._acted)))
            button("Discard …", page.action(lambda: discard(page, self._meant(), self._acted)), kind="danger")
            button("Replay an edited file …", page.action(lambda: replay_file(page, self._acted)))

    def _meant(self) -> DeadLetterFilter:
        """The letters that are selected, or all of the filter."""
        wanted = self._filter.wanted
        return replace(wanted, ids=tuple(sorted(self._selected))) if self._selected else wanted

    async def _apply(self) -> None:
        self._filter.read()
        self._pager.restart()
        await self._acted()

    async def _acted(self) -> None:
        self._selected.clear()
        self._selections += 1
        self._grouped = None
        await self.refresh()

    async def _choose(self, group: str) -> None:
        self._filter.choose_group(group)
        await self._apply()

    def _show_groups(self, found: Groups) -> None:
        self._groups.fill(found, lambda: [self._group_row(group) for group in found.groups])

    def _group_row(self, group: DeadLetterGroup) -> Sequence[Cell]:
        choose = self._page.action(lambda: self._choose(group.group))
        return (
            f"{group.count:,}", group.reason.value, str(group.http_status or ""), group.error_kind,
            at(group.first_at), at(group.last_at),
            lambda: button(group.group, choose, label=f"Show group {group.group}"),
        )  # fmt: skip

    def _show_letters(self, found: DeadLetterPage) -> None:
        self._letters.fill(
            (found.dead_letters, self._selections),
            lambda: [self._row(letter) for letter in found.dead_letters],
        )
        unfinished = found.next is not None and len(found.dead_letters) < PAGE_SIZE
        self._more.show("The search is not at its end: Next goes on with it." if unfinished else "")
        self._pager.show(len(found.dead_letters), found.total, found.next)
        self._total = found.total
        self._tell_target()

    def _row(self, letter: DeadLetterSummary) -> Sequence[Cell]:
        page = self._page
        event = f"{letter.reporting_system}/{letter.event_id}" if letter.event_id else "none"
        show = page.action(lambda: show_letter(page, letter.id, self._acted))
        cells: tuple[Cell, ...] = (
            (lambda: button(str(letter.id), show, label=f"Show letter {letter.id}"))
            if page.user.sees_payloads
            else str(letter.id),
            at(letter.created_at),
            letter.reason.value,
            str(letter.http_status or ""),
            letter.error_kind or "",
            event,
            letter.resolution.value if letter.resolution is not None else "open",
        )
        return (lambda: self._checkbox(letter.id), *cells) if page.user.sees_payloads else cells

    def _checkbox(self, letter_id: int) -> None:
        def toggled(on: bool) -> None:
            (self._selected.add if on else self._selected.discard)(letter_id)
            self._tell_target()

        box = ui.checkbox(
            value=letter_id in self._selected, on_change=lambda event: toggled(bool(event.value))
        )
        box.props["aria-label"] = f"Select letter {letter_id}"

    def _tell_target(self) -> None:
        if self._target is not None:
            chosen = len(self._selected)
            every = "all" if self._total is None else f"all {self._total:,}"
            self._target.show(f"{chosen:,} selected" if chosen else f"{every} of the filter")


def _groups(services: Services, wanted: DeadLetterFilter) -> Groups:
    return group_dead_letters(services.ledger, wanted)


def _letters(services: Services, wanted: DeadLetterFilter, after_id: int) -> DeadLetterPage:
    return list_dead_letters(
        services.ledger, wanted, limit=PAGE_SIZE, after_id=after_id, seconds=SEARCH_SECONDS
    )
