"""The command line. No decision lives here: each command reads its words, calls one function, shows the result."""

import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

# name -> module:object. Loaded when asked for, so that no command waits for what only others import.
COMMANDS = {
    "acl": "gong_worker.cli.acl:acl",
    "alerts": "gong_worker.cli.alerts:alerts",
    "audit": "gong_worker.cli.audit:audit",
    "check": "gong_worker.cli.check:check",
    "console": "gong_worker.cli.console:console",
    "console-user": "gong_worker.cli.console:console_user",
    "dead-letters": "gong_worker.cli.replays:dead_letters",
    "demo": "gong_worker.cli.demo:demo",
    "drop": "gong_worker.cli.gate:drop",
    "enqueue": "gong_worker.cli.enqueue:enqueue",
    "erase": "gong_worker.cli.privacy:erase",
    "events": "gong_worker.cli.events:events",
    "hold": "gong_worker.cli.gate:hold",
    "limits": "gong_worker.cli.gate:limits",
    "migrate": "gong_worker.cli.run:migrate",
    "oauth": "gong_worker.cli.oauth:oauth",
    "prune": "gong_worker.cli.privacy:prune",
    "queue": "gong_worker.cli.queue:queue",
    "reconcile": "gong_worker.cli.reconcile:reconcile",
    "relay": "gong_worker.cli.relay:relay",
    "release": "gong_worker.cli.gate:release",
    "replays": "gong_worker.cli.replays:replays",
    "serve": "gong_worker.cli.serve:serve",
    "simulator": "gong_worker.cli.run:simulator",
    "status": "gong_worker.cli.status:status",
    "subject-export": "gong_worker.cli.privacy:subject_export",
    "up": "gong_worker.cli.up:up",
    "worker": "gong_worker.cli.run:worker",
}

# Each one's first line, told without loading it (tests/unit/test_cli.py compares).
HELP = {
    "acl": "Print the rights in Redis of each kind of process, as ACL rules or as an ACL file.",
    "alerts": "Troubles that are told to GONG_VIEWS_ALERT_URLS without being asked.",
    "audit": "Every change an operator made and every payload somebody saw, the latest first.",
    "check": "Look at every condition for working, and show all settings (secrets masked). Exit 1 when one fails.",
    "console": "Serve the operators' pages to a browser, until SIGTERM or Ctrl-C.",
    "console-user": "Who may use the console, and as what.",
    "dead-letters": "Events that Gong refused for good, that spent their attempts, or that nobody could read.",
    "demo": "Deliver a few hundred events through real parts and every kind of trouble, then check each one.",
    "drop": "Make dead letters of what is set aside of a held part; each can still be replayed.",
    "enqueue": "Put the events of FILE (- for standard input) on the queue: JSON lines or CSV, gzipped or not.",
    "erase": "Erase one person from everything that is kept here. Exit 1 when something is left to another run.",
    "events": "Search events, follow the calls live, and see what happened to one event.",
    "hold": "Stop every worker before its next call, until `gong-views release`.",
    "limits": "The company's limits, as all workers see them, and where each comes from.",
    "migrate": "Create the ledger's tables, or bring them up to date.",
    "oauth": "Log in to Gong with an OAuth client, or bring a refresh token along.",
    "prune": "Delete what ended long ago from the ledger, in small batches that block nobody.",
    "queue": "Look at what waits in the queue, without touching it.",
    "reconcile": "Check that what went in is delivered, dead or still on its way. Exit 1 on drift.",
    "relay": "Move the rows of a backend's outbox to the queue, until SIGTERM or Ctrl-C.",
    "release": "End a hold: the operator's, or one for refused credentials, a wrong address, rejections or "
    "the breaker.",
    "replays": "Replays that wait in the queue.",
    "serve": "Take view events over HTTP (POST /v1/views), until SIGTERM or Ctrl-C.",
    "simulator": "Stand in for Gong: strict, steerable under /_sim/. Accepts sim-key/sim-secret and "
    "the token sim-token.",
    "status": "What is going on, why, and until when.",
    "subject-export": "Write all that is held of one person to FILE, as JSON; the audit notes who did.",
    "up": "Queue, ledger and worker of one machine, until Ctrl-C or SIGTERM.",
    "worker": "Take events off the queue and deliver them, until SIGTERM or Ctrl-C.",
}

HELP_OPTIONS = {"-h", "--help"}

# These take an unknown variable: `check` tells of it itself, the others read none.
WITHOUT_SETTINGS = ("acl", "check", "demo", "simulator")


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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, HELP[name]) for name in self.list_commands(ctx)])


@click.group(cls=Commands, context_settings={"help_option_names": sorted(HELP_OPTIONS)})
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
        from gong_views.environment import ENV_FILE

        os.environ[ENV_FILE] = env_file  # for the settings, and for the processes that a command starts
    os.environ["PGAPPNAME"] = f"gong-views {ctx.invoked_subcommand}"  # in PostgreSQL's list of connections
    if ctx.invoked_subcommand not in WITHOUT_SETTINGS and not HELP_OPTIONS & set(sys.argv):
        from gong_worker.settings_registry import refuse_unknown

        refuse_unknown()


def refuse_words_that_are_no_text(words: Sequence[str]) -> None:
    """A terminal or a script in another encoding: no queue, no database and no JSON has room for such a word."""
    for number, word in enumerate(words, start=1):
        if not word.isascii() and any("\ud800" <= character <= "\udfff" for character in word):
            click.echo(f"Error: word {number} of the command is not UTF-8: write it anew in UTF-8", err=True)
            sys.exit(2)


def run() -> None:
    """The console script: a user's mistake or an absent server is one line and an exit code, no traceback."""
    os.umask(0o077)  # what a command writes may hold personal data
    # A command says what it did itself; those that run on set up their own log.
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    try:
        refuse_words_that_are_no_text(sys.argv[1:])
        sys.exit(cli(standalone_mode=False) or 0)  # click's own ending makes 1 of Ctrl-C
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        click.echo("Aborted!", err=True)
        sys.exit(1)
    except Exception as error:
        from gong_worker.cli.failures import explained
        from gong_worker.display import escape_controls

        told = explained(error)
        if told is None:
            raise
        text, code = told
        click.echo(f"Error: {escape_controls(text)}", err=True)
        sys.exit(code)
