"""Commands that run a process until it is told to stop: the worker and the simulator; and the migration."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gong_worker.settings import WorkerSettings


@click.command()
@click.option("--to", "revision", metavar="REVISION", help="go back to this schema, for an earlier release")
@click.option("--yes", is_flag=True, help="with --to: do not ask")
def migrate(revision: str | None, yes: bool) -> None:
    """Create the ledger's tables, or bring them up to date.

    With --to it goes back instead, once the workers of this release are stopped: it tells what is lost and asks first.
    """
    from gong_worker.embedded_server import usable
    from gong_worker.ledger import migrate as migrate_ledger
    from gong_worker.settings import WorkerSettings

    settings = WorkerSettings.load()
    if revision is not None:
        _go_back(settings, revision, yes)
        return
    if yes:
        raise click.UsageError("--yes goes with --to")
    if settings.database_url is None:
        with usable(settings.data_dir):
            pass
    migrate_ledger(settings.ledger_url)
    click.echo("the ledger is up to date")


def _go_back(settings: "WorkerSettings", revision: str, yes: bool) -> None:
    from gong_worker.operations.going_back import go_back, plan

    lost = plan(settings, revision)
    click.echo(
        f"the way back to schema {revision} keeps every event, call, letter and payload. It loses", err=True
    )
    for line in lost:
        click.echo(f"  {line}", err=True)
    click.echo(
        "A `serve` or `console` of this release that has not used the ledger yet is not seen: let none be running,"
        " nor one of another machine that may start.",
        err=True,
    )
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("add --yes to do it")
        click.confirm("Go back?", abort=True, err=True)
    go_back(settings, revision)
    click.echo(f"the ledger has schema {revision}: start the workers of that release, and none of this one")


@click.command()
@click.option(
    "--concurrency", type=click.IntRange(1, 256), help="threads; default GONG_VIEWS_CONCURRENCY (8)"
)
@click.option(
    "--loglevel",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
)
@click.option("--health", is_flag=True, help="exit 0 when a worker with this data directory lives, else 1")
def worker(concurrency: int | None, loglevel: str, health: bool) -> None:
    """Take events off the queue and deliver them, until SIGTERM or Ctrl-C."""
    from gong_worker.settings import HOW_TO_AUTHENTICATE, WorkerSettings

    settings = WorkerSettings.load()
    if health:
        from gong_worker.liveness import dead

        if (why := dead(settings.data_dir)) is not None:
            raise click.ClickException(why)
        return
    if not settings.has_credentials:
        raise click.UsageError(f"no credentials: {HOW_TO_AUTHENTICATE}")
    from gong_worker.ledger import check_schema, open_engine

    check_schema(open_engine(settings.ledger_url))
    from gong_worker.app import app

    # As `celery worker` does it, whose own entry point keeps the exit code to itself.
    process = app.Worker(
        concurrency=concurrency or settings.concurrency,
        loglevel=loglevel,
        pool_cls="threads",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    process.start()
    sys.exit(process.exitcode)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, show_default="any free one", type=click.IntRange(0, 65535))
@click.option("--per-second", type=click.IntRange(min=1), default=3, show_default=True, help="calls allowed")
@click.option(
    "--per-day", type=click.IntRange(min=1), default=10_000, show_default=True, help="calls allowed"
)
@click.option(
    "--log", "log_path", type=click.Path(dir_okay=False, path_type=Path), help="append every call, JSON lines"
)
@click.option("--json", "as_json", is_flag=True, help="print the address as JSON when ready")
def simulator(
    host: str, port: int, per_second: int, per_day: int, log_path: Path | None, as_json: bool
) -> None:
    """Stand in for Gong: strict, steerable under /_sim/. Accepts sim-key/sim-secret and the token sim-token."""
    from gong_worker.simulator import SimulatorConfig, run
    from gong_worker.simulator.calllog import NotACallLog

    def ready(url: str) -> None:
        click.echo(json.dumps({"url": url}) if as_json else f"the Gong simulator answers at {url}")
        sys.stdout.flush()

    try:
        run(
            host,
            port,
            SimulatorConfig(per_second=per_second, per_day=per_day),
            ready=ready,
            log_path=log_path,
        )
    except NotACallLog as error:
        raise click.UsageError(f"--log: {error}: name another file") from None
    except UnicodeError:
        raise click.UsageError(f"--host: {host!r} is the name of no host") from None
    except OSError as error:
        if error.filename is not None:
            raise click.UsageError(f"--log: cannot use {error.filename}: {error.strerror}") from None
        raise click.ClickException(
            f"cannot serve on {host}:{port}: {error.strerror}; try another --port"
        ) from None
