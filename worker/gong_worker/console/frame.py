"""What every page has: the head with the ways to the others, who is signed in, its refreshing, its troubles."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from nicegui import context, ui
from nicegui.element import Element

from gong_worker.console.backend import Backend, problem_text
from gong_worker.console.downloads import Downloads
from gong_worker.console.identity import LOGIN_PATH, SESSION
from gong_worker.console.sessions import Forbidden, Session, Sessions
from gong_worker.console.theme import ThemeSwitch
from gong_worker.console.uploads import Uploads
from gong_worker.console.users import User
from gong_worker.console.widgets import Text
from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations.exports import ExportFormat

log = logging.getLogger(__name__)

REFRESH_SECONDS: Final = 3.0
# So long a refresh that goes well leaves in place what an action told, for somebody to read it.
READING_SECONDS: Final = 20.0
PAGES: Final = {
    "/": "Overview",
    "/dead-letters": "Dead letters",
    "/events": "Events",
    "/gate": "Gate",
    "/audit": "Audit",
}


@dataclass(frozen=True)
class Console:
    """What the pages share."""

    sessions: Sessions
    backend: Backend
    uploads: Uploads
    downloads: Downloads = field(default_factory=Downloads)

    def user(self) -> User:
        """Who uses this page, as they are now. Raises Forbidden when the session has ended."""
        user = self.sessions.user_of(_session())
        if user is None:
            raise Forbidden("your session has ended: sign in again")
        return user

    def operator(self) -> User:
        """The user if they may change something; raises Forbidden. Asked at each change, not only for the page."""
        user = self.user()
        if not user.operates:
            raise Forbidden("you are a viewer: only an operator may do this")
        return user

    def offer(self, wanted: DeadLetterFilter, form: ExportFormat) -> str:
        """The path of a file of dead letters for this user; raises Forbidden."""
        self.reader()
        return self.downloads.offer(_session(), wanted, form)

    def expect_file(self) -> tuple[str, asyncio.Future[bytearray]]:
        """Where this operator's browser may send a file once, and what then holds it; raises Forbidden."""
        self.operator()
        return self.uploads.expect(_session())

    def reader(self) -> User:
        """The user if they may see payloads; raises Forbidden."""
        user = self.user()
        if not user.sees_payloads:
            raise Forbidden("you may not see payloads")
        return user


class Page:
    """A page in the making. `refresh` it fills what is on it; it runs once before the page is shown."""

    def __init__(self, console: Console, path: str) -> None:
        self.console = console
        self.user = console.user()
        client = context.client
        client.title = f"{PAGES[path]} · gong-views"
        with client.layout:
            _head(self.user, path, open_to_all=console.sessions.open_to_all).move(target_index=0)
        client.content.props["id"] = "content"
        Text("h1", PAGES[path])
        self._client = client
        self._problem = Text("p", "", "problem-bar").props("role=alert")
        self._read_until = 0.0
        self.dialogs = ui.element("div")

    @property
    def is_gone(self) -> bool:
        """Whether its browser has left it: nothing can be shown any more."""
        return self._client.is_deleted

    async def live(self, refresh: Callable[[], Awaitable[None]], seconds: float = REFRESH_SECONDS) -> None:
        """Refresh now, and from then on again and again."""

        async def fill() -> None:
            self.console.user()  # an open page notices by itself that its session has ended
            await refresh()

        async def once() -> None:
            if await self.attempt(fill) and time.monotonic() >= self._read_until:
                self._problem.show("")

        await once()
        ui.timer(seconds, once, immediate=False)

    async def attempt(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do the work; its trouble is told to the user. Whether it went well."""
        try:
            await work()
        except Forbidden as error:
            if self.console.sessions.user_of(_session()) is None:
                ui.navigate.to(LOGIN_PATH)
            self._problem.show(str(error))
        except Exception as error:
            text = problem_text(error)
            if text is None:
                log.exception("a page failed", extra={"action": "console_failed"})
                text = "this did not work: the console's log says more"
            self._problem.show(text)
        else:
            return True
        return False

    def action(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """The work as a button's handler."""

        async def handler() -> None:
            if await self.attempt(work):
                self._problem.show("")
            else:
                self._read_until = time.monotonic() + READING_SECONDS

        return handler


def _session() -> Session:
    session: Session = context.client.request.scope[SESSION]
    return session


def _head(user: User, path: str, *, open_to_all: bool) -> Element:
    with ui.element("header").classes("head") as head:
        Text("span", "gong-views", "brand")
        with ui.element("nav").props('aria-label="Pages"'):
            for target, name in PAGES.items():
                link = Text("a", name).props(f'href="{target}"')
                if target == path:
                    link.props["aria-current"] = "page"
        with ui.element("div").classes("who"):
            Text("span", f"{user.name} ({user.role.value})")
            ThemeSwitch()
            if not open_to_all and user.password_hash is not None:
                with ui.element("form").props('method=post action="/logout"'):
                    Text("button", "Sign out").props("type=submit")
    return head
