"""Dialogs: one that shows something, and one that counts, asks, does and tells."""

import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from nicegui import ui
from nicegui.element import Element

from gong_worker.console.frame import Page
from gong_worker.console.widgets import Text, button, shown
from gong_worker.console.words import result_lines
from gong_worker.operations.dead_letters import Bulk, BulkResult
from gong_worker.operations.services import Services

Work = Callable[[Services, Bulk], BulkResult]
PROGRESS_SECONDS = 0.2


class Dialog:
    """A dialog of a page. What is put into `body` is gone when it is closed, by its button or Esc."""

    def __init__(self, page: Page, title: str) -> None:
        self.page = page
        with page.dialogs:
            self._dialog = ui.dialog().props("no-backdrop-dismiss")
            # As a text of props, an event's id with a quote in it could add props, and NiceGUI runs those with a colon.
            self._dialog.props["aria-label"] = shown(title)
            self._dialog.on("hide", self._dialog.delete)
            with self._dialog, ui.element("div").classes("card dialog"):
                Text("h2", title)
                self.body = ui.element("div").classes("body")
                self._buttons = ui.element("div").classes("buttons")
        self._dialog.open()

    def close(self) -> None:
        """Close it."""
        self._dialog.close()

    def keep_open(self) -> None:
        """Let its button alone close it from now on: Esc would lose what is under way."""
        self._dialog.props("no-esc-dismiss")

    @contextmanager
    def anew(self) -> Iterator[Element]:
        """Empty the body and its buttons; what is made in the `with` is the new body."""
        self.body.clear()
        self._buttons.clear()
        with self.body:
            yield self.body

    @contextmanager
    def buttons(self) -> Iterator[None]:
        """Buttons of the dialog; the last one closes it."""
        self._buttons.clear()
        with self._buttons:
            yield
            button("Close", self.close)


class BulkDialog(Dialog):
    """A bulk action: the cost first, then the work with its progress and a way to stop it, then what became of it."""

    def __init__(self, page: Page, title: str, verb: str, done: Callable[[], Awaitable[None]]) -> None:
        super().__init__(page, title)
        self._verb, self._done = verb, done
        self._under_way = False

    def ask(
        self, lines: Sequence[str], confirm: str, total: int, work: Work, *, danger: bool = False
    ) -> None:
        """Tell what would be done, and do it when told to; nothing can be done when `total` is 0."""
        with self.anew():
            self.place_question()
        self.question(lines, confirm, total, work, danger=danger)

    def place_question(self) -> None:
        """Where the question stands in a body that has more in it."""
        self._lines = ui.element("div").props("role=status")
        self._asked: object = None

    def question(
        self,
        lines: Sequence[str],
        confirm: str,
        total: int,
        work: Work,
        *,
        danger: bool = False,
        names: Mapping[int, int] | None = None,
    ) -> None:
        """As `ask`, in its place, once more as well. `names`: the line of its file on which each letter stands."""
        if self._under_way:
            return  # it was answered while this was being reckoned
        self._lines.clear()
        with self._lines:
            for line in lines:
                Text("p", line)
        self._work, self._names = work, names or {}
        if (confirm, total) == self._asked:
            return  # one who is about to press the button finds it where it was
        self._asked = (confirm, total)
        with self.buttons():
            if total:
                kind = "danger" if danger else "primary"
                button(confirm, self.page.action(lambda: self._run(total)), kind=kind)

    async def _run(self, total: int) -> None:
        user = self.page.console.operator()
        if self._under_way:
            return
        self._under_way = True
        self.keep_open()
        handled, stop = 0, threading.Event()

        def progress(done: int) -> None:
            nonlocal handled
            handled = done

        with self.anew():
            label = Text("p", "").props("role=status")
            bar = ui.element("progress").props(f'max={total} value=0 aria-label="progress"')

            def show() -> None:
                label.show(f"{handled:,} of {total:,}")
                bar.props["value"] = handled

            timer = ui.timer(PROGRESS_SECONDS, show)
        with self.buttons():
            button("Stop", stop.set)
        try:
            bulk = Bulk(user.name, progress=progress, stop=stop)
            result = await self.page.console.backend.run(self._work, bulk)
        except Exception:
            self.close()  # the page says why; what was done until then stays
            raise
        finally:
            timer.cancel()
        if self.page.is_gone:
            return
        self._dialog.props(remove="no-esc-dismiss")
        with self.anew():
            for line in result_lines(result, self._verb, self._names):
                Text("p", line).props("role=status")
        with self.buttons():
            pass
        await self._done()
