"""Ctrl-C in a bulk action, and the same command again."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from gong_views.message import parse
from gong_views.names import Lane
from gong_worker.cli.bulk import running as bulk_running
from gong_worker.domain.audit import AuditAction
from gong_worker.ledger import DeadLetterFilter
from tests.console.letters import insert
from tests.integration.cli.letters import Desk, desk
from tests.support.processes import Process, process
from tests.support.servers import wait_until

__all__ = ["desk"]
LETTERS = 5_000
REPLAY = ["gong_worker", "dead-letters", "replay", "--all", "--yes", "--json"]


def _told(running: Process) -> Any:
    return json.loads(running.log[running.log.index("{") : running.log.rindex("}") + 1])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_bulk_action_goes_on_where_ctrl_c_ended_it(desk: Desk, tmp_path: Path) -> None:
    """It ends after the page at hand with 130, says what was done, and the same command does the rest, none twice."""
    insert(desk.ledger, LETTERS)
    lane = desk.services.client
    with process(REPLAY, tmp_path / "first.log", desk.environment) as running:
        wait_until(lambda: lane.llen(Lane.BULK.queue), "the first page")
        running.popen.send_signal(signal.SIGINT)
        assert running.popen.wait(60) == 130
        assert "run it again to go on" in running.log and "Traceback" not in running.log
        first = _told(running)
    assert first["interrupted"] is True and 0 < first["done"] < LETTERS
    assert lane.llen(Lane.BULK.queue) == first["done"]
    with process(REPLAY, tmp_path / "second.log", desk.environment) as running:
        assert running.popen.wait(120) == 0
        second = _told(running)
    assert (second["done"], second["interrupted"]) == (LETTERS - first["done"], False)
    replayed = [parse(raw).replay_of for raw in lane.lrange(Lane.BULK.queue, 0, -1)]
    assert len(replayed) == len(set(replayed)) == LETTERS
    assert desk.ledger.count_dead_letters(DeadLetterFilter())[0] == 0
    entries = desk.ledger.list_actions(limit=9, action=AuditAction.REPLAY).entries
    assert [one.count for one in entries] == [second["done"], first["done"]]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_ctrl_c_before_the_work_has_begun(desk: Desk, tmp_path: Path) -> None:
    """It is one line and 130 then, too: here while Redis does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with process(REPLAY, tmp_path / "early.log", {**desk.environment, "REDIS_URL": url}) as running:
            connection, _ = silent.accept()
            with connection:
                running.popen.send_signal(signal.SIGINT)
                assert running.popen.wait(60) == 130
            assert running.log.strip() == "interrupted"


def test_ctrl_c_after_the_work_is_done() -> None:
    """It neither breaks the result off that is being shown, nor reaches beyond the command."""
    before = signal.getsignal(signal.SIGINT)
    with click.Context(click.Command("replay")):
        with bulk_running(1) as bulk:
            pass
        signal.raise_signal(signal.SIGINT)
        assert bulk.stop is not None and bulk.stop.is_set()
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_while_the_interpreter_ends() -> None:
    """The exit code is the command's."""
    script = """
import os, signal, sys
from gong_worker.__main__ import main
class Late:
    def __del__(self, kill=os.kill, me=os.getpid(), number=signal.SIGINT): kill(me, number)
signal.signal(signal.SIGINT, signal.default_int_handler)
late, sys.argv = Late(), ["gong-views", "--version"]
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
