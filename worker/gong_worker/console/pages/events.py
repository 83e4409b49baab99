"""Events: search them, and what happened to one, from its enqueue to its end."""

from collections.abc import Sequence
from functools import partial

from nicegui import ui

from gong_views.names import Lane
from gong_worker.console.frame import Console, Page
from gong_worker.console.pager import PAGE_SIZE, Pager
from gong_worker.console.pages.event_story import show_story
from gong_worker.console.pages.fields import choice, text_field
from gong_worker.console.pages.live_calls import LiveCalls
from gong_worker.console.pages.period import Period
from gong_worker.console.widgets import Cell, Table, Text, at, button, section
from gong_worker.domain.states import Status
from gong_worker.ledger import AttemptFilter, EventFilter, EventPage, EventSummary
from gong_worker.operations.events import search_events
from gong_worker.operations.services import Services

PATH = "/events"
REFRESH_SECONDS = 10.0
# A search for what is not indexed reads the events one by one; the page says where it has got to.
SEARCH_SECONDS = 2.0


def add(console: Console) -> None:
    """Serve the page."""

    @ui.page(PATH, response_timeout=60)
    async def events() -> None:
        page = Page(console, PATH)
        await page.live(Events(page).refresh, REFRESH_SECONDS)


class Events:
    """The page's parts and what is searched."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._wanted = EventFilter()
        apply = page.action(self._apply)
        with (
            section("Which"),
            ui.element("form").classes("filter").on("submit.prevent", apply).props('aria-label="Search"'),
        ):
            self._event = text_field("Event id")
            self._request = text_field("Gong's request id")
            self._content = text_field("Content id")
            self._system = text_field("Reporting system")
            self._source = text_field("Source")
            self._status = choice("Status", {"": "any", **{one.value: one.value for one in Status}}, "")
            self._lane = choice("Lane", {"": "any", **{one.value: one.value for one in Lane}}, "")
            self._period = Period("Enqueued")
            button("Search", lambda: None, kind="primary").props("type=submit")
        self._live = LiveCalls(page)
        with section("Events"):
            self._story = button("Find this event id in the queue too", page.action(self._find))
            self._table = Table(
                "Events that a worker has seen, the latest enqueued first",
                ("Event", "Status", "Content", "Lane", "Source", "Attempts", "Enqueued", "Settled"),
                empty="none found",
            )
            self._more = Text("p", "").props("role=status")
            self._pager = Pager[str](page, self.refresh)

    async def refresh(self) -> None:
        """Search, and show what has changed."""
        wanted, after = self._wanted, self._pager.cursor

        def search(services: Services) -> EventPage:
            return search_events(
                services.ledger, wanted, limit=PAGE_SIZE, after=after, seconds=SEARCH_SECONDS
            )

        found = await self._page.console.backend.run(search)
        self._table.fill(found.events, lambda: [self._row(event) for event in found.events])
        unfinished = found.next is not None and len(found.events) < PAGE_SIZE
        self._more.show("The search is not at its end: Next goes on with it." if unfinished else "")
        self._pager.show(len(found.events), found.total, found.next)
        self._story.set_visibility(wanted.event_id is not None)

    def _row(self, event: EventSummary) -> Sequence[Cell]:
        page, name = self._page, f"{event.reporting_system}/{event.event_id}"
        show = page.action(partial(show_story, page, event.event_id, event.reporting_system))
        status = event.status.value + (f" ({event.resolution.value})" if event.resolution else "")
        return (
            lambda: button(name, show, label=f"Show event {name}"), status, event.content_id, event.lane.value,
            event.source or "", str(event.attempt_count), at(event.enqueued_at), at(event.settled_at),
        )  # fmt: skip

    async def _apply(self) -> None:
        since, until = self._period.read()
        self._wanted = EventFilter(
            event_id=self._event.value or None,
            request_id=self._request.value or None,
            content_id=self._content.value or None,
            reporting_system=self._system.value or None,
            status=Status(self._status.value) if self._status.value else None,
            source=self._source.value or None,
            lane=Lane(self._lane.value) if self._lane.value else None,
            since=since,
            until=until,
        )
        self._live.restrict(
            AttemptFilter(
                reporting_system=self._wanted.reporting_system,
                content_id=self._wanted.content_id,
                source=self._wanted.source,
                lane=self._wanted.lane,
            )
        )
        self._pager.restart()
        await self.refresh()

    async def _find(self) -> None:
        if self._wanted.event_id is not None:
            await show_story(self._page, self._wanted.event_id, self._wanted.reporting_system)
