"""The command line's own table of its commands."""

import subprocess
import sys

import click
import pytest

from gong_worker.cli import COMMANDS, HELP, cli


@pytest.mark.parametrize("name", COMMANDS)
def test_each_commands_help_is_told_as_it_is(name: str) -> None:
    """`gong-views --help` has the first line of each command's own help, although it loads none."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.help is not None
    assert HELP.get(name) == command.help.splitlines()[0]


def test_help_loads_no_command() -> None:
    """Help is answered without the library, SQL, HTTP or Celery, which take most of a process's start."""
    heavy = ("gong_views", "sqlalchemy", "alembic", "httpx", "celery", "redis", "pydantic")
    script = (
        "import sys; from gong_worker.cli import cli; cli(['--help'], standalone_mode=False); "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "dead-letters" in done.stdout


def test_status_loads_only_what_it_shows() -> None:
    """An operator's command waits neither for HTTP nor for Celery nor for the migrations."""
    heavy = ("alembic", "celery", "httpx", "kombu", "fastapi", "gong_worker.deliver")
    script = f"import sys, gong_worker.cli.status; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
