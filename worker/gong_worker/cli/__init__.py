"""The command line. No decision lives here: each command reads its words, calls one function, shows the result."""

import importlib
import logging
import os
import sys
from typing import Any

import click
import redis

from gong_views.connection import Connections
from gong_views.embedded import redis_url_of
from gong_views.environment import ENV_FILE
from gong_views.errors import GongViewsError, QueueUnavailable
from gong_views.settings import ProducerSettings
from gong_worker.gate import GateUnavailable
from gong_worker.queue.availability import ANSWER_SECONDS, away
from gong_worker.settings_registry import refuse_unknown

# The queue, or the ledger, does not answer.
SERVER_AWAY = 3
USAGE = 2

# name -> module:object. Loaded when asked for, so that `enqueue` need not wait for Celery to import.
COMMANDS = {
    "check": "gong_worker.cli.check:check",
    "dead-letters": "gong_worker.cli.dead_letters:dead_letters",
    "demo": "gong_worker.cli.demo:demo",
    "enqueue": "gong_worker.cli.enqueue:enqueue",
    "events": "gong_worker.cli.events:events",
    "hold": "gong_worker.cli.gate:hold",
    "limits": "gong_worker.cli.gate:limits",
    "migrate": "gong_worker.cli.run:migrate",
    "reconcile": "gong_worker.cli.status:reconcile",
    "relay": "gong_worker.cli.relay:relay",
    "release": "gong_worker.cli.gate:release",
    "serve": "gong_worker.cli.serve:serve",
    "simulator": "gong_worker.cli.run:simulator",
    "status": "gong_worker.cli.status:status",
    "up": "gong_worker.cli.up:up",
    "worker": "gong_worker.cli.run:worker",
}


# These take an unknown variable: `check` tells of it itself, the others read none.
WITHOUT_SETTINGS = ("check", "demo", "simulator")


class Commands(click.Group):
    """Loads a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        command: Any = getattr(importlib.import_module(module), name)
        return command if isinstance(command, click.Command) else None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gong-views", prog_name="gong-views")
@click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="read variables from this file, NAME=value a line [default: GONG_VIEWS_ENV_FILE]",
)
@click.pass_context
def cli(ctx: click.Context, env_file: str | None) -> None:
    """Deliver content-view events to Gong: durably, once, within the company's limits."""
    if env_file is not None:
        os.environ[ENV_FILE] = env_file  # for the settings, and for the processes that a command starts
    if ctx.invoked_subcommand not in WITHOUT_SETTINGS:
        refuse_unknown()


def run() -> None:
    """The console script: a user's mistake or an absent server is one line and an exit code, no traceback."""
    os.umask(0o077)  # what a command writes may hold personal data
    # A command says what it did itself; those that run on set up their own log.
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    try:
        cli(standalone_mode=True)
    except (redis.RedisError, GateUnavailable) as error:
        click.echo(f"Error: {_redis_away(error)}", err=True)
        sys.exit(SERVER_AWAY)
    except QueueUnavailable as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(SERVER_AWAY)
    except GongViewsError as error:
        # Imported here, so that `enqueue` need not wait for SQLAlchemy.
        from gong_worker.ledger.errors import LedgerUnavailable

        click.echo(f"Error: {error}", err=True)
        sys.exit(SERVER_AWAY if isinstance(error, LedgerUnavailable) else USAGE)


def _redis_away(error: redis.RedisError | GateUnavailable) -> str:
    """What is the matter with Redis, and which one it is."""
    try:
        where = Connections(redis_url_of(ProducerSettings.load()), ANSWER_SECONDS).where
    except GongViewsError:
        where = "REDIS_URL"
    return away(error, where)
