"""`gong-views status --watch`: the picture on the whole screen, made anew every few seconds, until q or Ctrl-C."""

import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from gong_worker.cli.output import at_time, cell_text
from gong_worker.domain.holds import GateState
from gong_worker.operations.services import Services, open_services
from gong_worker.operations.status import Status, status

QUIT = ("q", "Q", "\x03", "\x04")
KEY_SECONDS = 0.25
# A look that takes longer is told: a part hangs, and what is shown is old.
SLOW_SECONDS = 3.0
COLOURS = {GateState.OPEN: "green", GateState.HELD: "yellow", GateState.UNAVAILABLE: "red"}

Lines = Callable[[Status], Mapping[str, object]]


class _Looks:
    """The latest picture, made in a thread of its own, so that a part that hangs keeps no key from working."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval = interval_seconds
        self._services: Services | None = None
        self.latest: Status | None = None
        self.problem: str | None = None
        self.at = time.monotonic()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                found = self._look()
            except Exception as error:  # whatever it is, the screen says it and the next look may succeed
                self.problem = f"{type(error).__name__}: {error}"
            else:
                self.latest, self.problem, self.at = found, None, time.monotonic()
            time.sleep(self._interval)

    def _look(self) -> Status:
        if self._services is None:
            self._services = open_services(ledger_may_be_away=True)
        found = status(self._services)
        if found.ledger.error is not None:  # the next look reads the settings anew: they may be mended
            self._services.close()
            self._services = None
        return found


def watch(lines: Lines, *, interval_seconds: float, utc: bool) -> None:
    """Show the picture until somebody quits. The terminal is as before then."""
    console = Console()
    looks = _Looks(interval_seconds)
    with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            shown: object = None
            while pressed() not in QUIT:
                slow = time.monotonic() - looks.at > interval_seconds + SLOW_SECONDS
                what = (looks.latest, looks.problem, slow and int(time.monotonic()), console.size)
                if what != shown:  # nothing is sent to a terminal far away while nothing changes
                    live.update(_screen(looks, lines, slow=slow, utc=utc), refresh=True)
                    shown = what
        except KeyboardInterrupt:
            pass


def _screen(looks: _Looks, lines: Lines, *, slow: bool, utc: bool) -> RenderableType:
    head = Text("gong-views status", style="bold")
    head.append(f"  {at_time(datetime.now(UTC), utc=utc)}  q quits", style="dim")
    parts: list[RenderableType] = [head, Text()]
    if slow:
        parts.append(
            Text(f"no answer for {time.monotonic() - looks.at:.0f} s: what stands here is old", style="red")
        )
    if looks.problem is not None:
        parts.append(Text(cell_text(looks.problem), style="red"))
    if looks.latest is not None:
        parts.append(_picture(looks.latest, lines))
    return Fitted(Group(*parts))


class Fitted:
    """As many lines as the terminal has; when there are more, the last one says how many."""

    def __init__(self, whole: RenderableType) -> None:
        self._whole = whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._whole, options.update(height=None))
        height = options.max_height
        more = len(lines) - (height - 1) if len(lines) > height else 0
        for line in lines[: height - 1] if more else lines:
            yield from line
            yield Segment.line()
        if more:
            yield Text(f"… and {more} more lines: too low a window", style="reverse", no_wrap=True)


def _picture(found: Status, lines: Lines) -> Table:
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in lines(found).items():
        texts = value if isinstance(value, tuple) else (value,)
        for number, text in enumerate(texts):
            style = COLOURS[found.gate.state] if name == "gate" else ""
            grid.add_row("" if number else name, Text(cell_text(text), style=style))
    return grid


@contextmanager
def _keys() -> Iterator[Callable[[], str | None]]:
    """A function that waits a moment for a key; None when none was pressed."""
    if not sys.stdin.isatty():
        yield lambda: time.sleep(KEY_SECONDS)
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield lambda: sys.stdin.read(1) if select.select([descriptor], [], [], KEY_SECONDS)[0] else None
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
