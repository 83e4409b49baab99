"""The command line's own table of its commands."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gong_worker.cli import COMMANDS, HELP, cli
from tests.support.servers import free_port


@pytest.mark.parametrize("name", COMMANDS)
def test_each_commands_help_is_told_as_it_is(name: str) -> None:
    """`gong-views --help` has the first line of each command's own help, although it loads none."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.help is not None
    assert HELP.get(name) == command.help.splitlines()[0]


@pytest.mark.parametrize("words", [["--help"], ["status", "--help"]])
def test_help_loads_no_command(words: list[str]) -> None:
    """Help is answered without the library, SQL, HTTP or Celery, which take most of a process's start."""
    heavy = ("gong_views", "sqlalchemy", "alembic", "httpx", "celery", "redis", "pydantic")
    script = (
        f"import sys; sys.argv[1:] = {words}; from gong_worker.cli import cli; cli(standalone_mode=False); "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--help" in done.stdout


def test_status_loads_only_what_it_shows(tmp_path: Path) -> None:
    """An operator's command waits neither for HTTP nor for Celery nor for the migrations."""
    heavy = ("alembic", "celery", "httpx", "kombu", "fastapi", "gong_worker.deliver")
    heavy += ("rich",)  # it prints no table
    script = (
        "import sys, contextlib\nfrom gong_worker.cli import cli\n"
        "with contextlib.suppress(SystemExit):\n    cli(['status'])\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    environment = {
        **os.environ,
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "DATABASE_URL": f"sqlite:///{tmp_path}/l",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert "unavailable" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
