"""Pages by cursor: forward by the page's `next`, back by the way one came."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from nicegui import ui

from gong_worker.console.frame import Page
from gong_worker.console.widgets import Text, button

Cursor = TypeVar("Cursor", int, str)
PAGE_SIZE = 50


class Pager(Generic[Cursor]):
    """The buttons and where one is. `cursor`: where the page begins, None for the first."""

    def __init__(self, page: Page, refresh: Callable[[], Awaitable[None]]) -> None:
        self._refresh = refresh
        self._way: list[Cursor | None] = [None]
        self._further: Cursor | None = None
        with ui.element("div").classes("pager"):
            self._back = button("Previous", page.action(self._backward))
            self._where = Text("span", "").props("role=status")
            self._next = button("Next", page.action(self._forward))

    @property
    def cursor(self) -> Cursor | None:
        """Where the page begins."""
        return self._way[-1]

    def restart(self) -> None:
        """Go to the first page."""
        self._way = [None]

    def show(self, count: int, total: int | None, further: Cursor | None) -> None:
        """Tell where one is: so many on this page, of so many in all if that is known."""
        self._further = further
        before = (len(self._way) - 1) * PAGE_SIZE
        of = "" if total is None else f" of {total:,}"
        self._where.show(f"{min(before + 1, before + count):,} to {before + count:,}{of}")
        self._back.set_enabled(len(self._way) > 1)
        self._next.set_enabled(further is not None)

    async def _forward(self) -> None:
        if self._further is not None:
            self._way.append(self._further)
            await self._refresh()

    async def _backward(self) -> None:
        if len(self._way) > 1:
            self._way.pop()
            await self._refresh()
