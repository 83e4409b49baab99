"""`status --watch` on a real terminal."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, Group
from rich.text import Text

from gong_worker.cli.watch import Fitted
from gong_worker.ledger import migrate
from tests.integration.cli.letters import Command, command
from tests.support.processes import clean_environment
from tests.support.servers import valkey, wait_until

__all__ = ["command"]
ALTERNATE_SCREEN = ("\x1b[?1049h", "\x1b[?1049l")


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A process on a terminal of its own, and everything it has written there."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self.master, slave = pty.openpty()
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "gong_worker", *arguments],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**clean_environment(), "TERM": "screen-256color", "COLUMNS": "100", "LINES": "30", **environment},
            preexec_fn=_heed_interrupts,
        )  # fmt: skip
        os.close(slave)
        self.written = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while data := os.read(self.master, 65_536):
                self.written += data.decode(errors="replace")
        except OSError:  # its other end is closed
            pass

    def shows(self, text: str) -> None:
        """Wait until so much has been written since the last wait."""
        found = wait_until(lambda: re.search(text, self.written), text)
        self.written = self.written[found.end() :]

    def press(self, key: str) -> None:
        os.write(self.master, key.encode())


@contextmanager
def terminal(arguments: list[str], environment: dict[str, str]) -> Iterator[Terminal]:
    made = Terminal(arguments, environment)
    try:
        yield made
    finally:
        made.popen.kill()
        made.popen.wait()
        os.close(made.master)


def test_the_picture_is_watched_until_q(tmp_path: Path, redis_url: str) -> None:
    """It takes the whole screen, follows a queue that goes and a ledger that comes, and leaves the screen as it was."""
    database = f"sqlite:///{tmp_path / 'ledger.db'}"
    with valkey(appendfsync="no") as own:
        environment = {"REDIS_URL": own.url, "DATABASE_URL": database, "GONG_VIEWS_DATA_DIR": str(tmp_path)}
        with terminal(["status", "--watch", "--interval", "0.5", "--utc"], environment) as screen:
            screen.shows(re.escape(ALTERNATE_SCREEN[0]))
            screen.shows("gate.*open")
            screen.shows("ledger.*gong-views migrate")
            migrate(database)
            screen.shows("0 delivered")
            own.kill()
            screen.shows("unavailable")
            screen.press("q")
            assert screen.popen.wait(30) == 0
            screen.shows(re.escape(ALTERNATE_SCREEN[1]))
    environment["REDIS_URL"] = redis_url
    with terminal(["status", "--watch"], environment) as screen:
        screen.shows("gate.*open")
        screen.popen.send_signal(signal.SIGINT)  # Ctrl-C
        assert screen.popen.wait(30) == 0


def test_settings_that_are_put_right_are_read(tmp_path: Path, redis_url: str) -> None:
    """While the ledger is away each look reads its address anew: a secret's file may have been corrected meanwhile."""
    secret = tmp_path / "database-url"
    secret.write_text(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    migrate(f"sqlite:///{tmp_path / 'ledger.db'}")
    environment = {
        "REDIS_URL": redis_url,
        "DATABASE_URL_FILE": str(secret),
        "GONG_VIEWS_DATA_DIR": str(tmp_path),
    }
    with terminal(["status", "--watch", "--interval", "0.5"], environment) as screen:
        screen.shows("ledger.*gong-views migrate")
        secret.write_text(f"sqlite:///{tmp_path / 'ledger.db'}")
        screen.shows("0 delivered")


def test_a_low_window_says_what_is_below_it(tmp_path: Path, redis_url: str) -> None:
    """The last line that there is room for says how many do not fit; with room for all there is none such."""
    environment = {
        "REDIS_URL": redis_url, "DATABASE_URL": f"sqlite:///{tmp_path / 'ledger.db'}", "COLUMNS": "40", "LINES": "8",
    }  # fmt: skip
    with terminal(["status", "--watch"], environment) as screen:
        screen.shows(r"gate.*open[\s\S]*and \d+ more lines")
    for height, last in ((14, "… and 7 more lines"), (20, "line 20"), (21, "line 20")):
        console = Console(width=40, height=height, file=StringIO())
        with console.capture() as captured:
            console.print(Fitted(Group(*(Text(f"line {number}") for number in range(1, 21)))))
        lines = captured.get().splitlines()
        assert len(lines) == min(height, 20) and lines[-1].startswith(last)


@pytest.mark.parametrize("words", [["--watch"], ["--watch", "--json"], ["--watch", "--check"]])
def test_only_a_terminal_is_watched(command: Command, words: list[str]) -> None:
    """Without a terminal, or with what a program reads, it is a mistake."""
    done = command({}, "status", *words)
    assert (done.code, "terminal" in done.err) == (2, True)
