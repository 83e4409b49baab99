"""`gong-views relay`: moves committed rows of a backend's outbox to the queue."""

import sys
from dataclasses import asdict
from datetime import datetime

import click

from gong_worker.cli.output import JSON_OPTION, facts, show
from gong_worker.cli.values import Number, moment

UNAVAILABLE = 3


@click.command()
@click.option(
    "--database-url", help="the backend's database [default: GONG_VIEWS_OUTBOX_URL, then DATABASE_URL]"
)
@click.option(
    "--batch", type=click.IntRange(1, 5000), default=200, show_default=True, help="rows in one round trip"
)
@click.option(
    "--poll-seconds",
    type=Number(0.01, 60),
    default=0.5,
    show_default=True,
    help="pause after finding nothing more",
)
@click.option("--once", is_flag=True, help="end when no row waits")
@click.option(
    "--since",
    metavar="TIME",
    callback=moment,
    help="enqueue again all rows created since this ISO time, or so long ago (12h), then end",
)
@click.option(
    "--prune-after",
    metavar="DAYS",
    type=Number(min=0),
    default=7.0,
    show_default=True,
    help="delete relayed rows after this long; --since cannot reach further back",
)
@click.option("--no-prune", is_flag=True, help="delete nothing")
@JSON_OPTION
def relay(
    database_url: str | None,
    batch: int,
    poll_seconds: float,
    once: bool,
    since: datetime | None,
    prune_after: float,
    no_prune: bool,
    as_json: bool,
) -> None:
    """Move the rows of a backend's outbox to the queue, until SIGTERM or Ctrl-C.

    Several may run at once. Exit code 0: stopped, or done; 1: done, but some rows are no valid events (see
    their `error`); 2: wrong settings or no such table; 3: with --once or --since, a server is away.
    """
    if once and since:
        raise click.UsageError("--once and --since exclude each other")

    from gong_worker import logs, tracing
    from gong_worker.outbox_relay import run_relay

    logs.configure(as_json=as_json or None)
    tracing.configure("gong-views-relay")
    run = run_relay(
        database_url,
        batch=batch,
        poll_seconds=poll_seconds,
        keep_days=None if no_prune else prune_after,
        once=once,
        since=since,
    )
    tracing.close()
    totals = asdict(run.totals)
    show(totals, as_json=as_json, text=lambda: facts(totals))
    if run.failure is not None:
        click.echo(f"Error: {run.failure}. The rows wait; run it again, a repeat is harmless", err=True)
        sys.exit(UNAVAILABLE)
    if run.totals.invalid and (once or since):
        sys.exit(1)
