"""`gong-views relay`: moves committed rows of a backend's outbox to the queue."""

import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
from pydantic import BeforeValidator, Field, SecretStr

from gong_views.errors import QueueUnavailable, SettingsError
from gong_views.settings import ProducerSettings, blank_is_unset
from gong_worker.cli.output import JSON_OPTION, facts, show

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

UNAVAILABLE = 3
# After SIGTERM. What is not done by then is rolled back by its database when the connection drops.
GRACE_SECONDS = 0.6

Secret = Annotated[SecretStr | None, BeforeValidator(blank_is_unset)]


class RelaySettings(ProducerSettings):
    """A producer's settings, and where the backend's database is."""

    outbox_url: Secret = Field(
        None,
        validation_alias="GONG_VIEWS_OUTBOX_URL",
        description="the backend's database; unset: DATABASE_URL",
    )
    database_url: Secret = Field(
        None, validation_alias="DATABASE_URL", description="read when the other is unset"
    )


@click.command()
@click.option(
    "--database-url", help="the backend's database [default: GONG_VIEWS_OUTBOX_URL, then DATABASE_URL]"
)
@click.option(
    "--batch", type=click.IntRange(1, 5000), default=200, show_default=True, help="rows in one round trip"
)
@click.option(
    "--poll-seconds",
    type=click.FloatRange(0.01, 60),
    default=0.5,
    show_default=True,
    help="pause after finding nothing more",
)
@click.option("--once", is_flag=True, help="end when no row waits")
@click.option("--since", metavar="TIME", help="enqueue again all rows created since this ISO time, then end")
@click.option(
    "--prune-after",
    metavar="DAYS",
    type=click.FloatRange(min=0),
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
    since: str | None,
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
    moment = _moment(since) if since else None

    from gong_views.outbox.errors import OutboxUnavailable
    from gong_views.outbox.relay import Relay
    from gong_views.queue import ViewQueue
    from gong_worker import logs

    engine = _open(database_url)
    logs.configure(as_json=as_json)
    with ViewQueue(source="outbox") as queue:
        mover = Relay(
            engine, queue, batch=batch, poll_seconds=poll_seconds, keep_days=None if no_prune else prune_after
        )

        def work(stop: threading.Event) -> None:
            if moment is not None:
                mover.repeat(moment, stop)
            elif once:
                mover.drain(stop)
            else:
                mover.run(stop)

        failure: Exception | None = None
        try:
            _until_signal(work)
        except (QueueUnavailable, OutboxUnavailable) as error:
            failure = error
        totals = asdict(mover.totals)
    show(totals, as_json=as_json, text=lambda: facts(totals))
    if failure is not None:
        click.echo(f"Error: {failure}. The rows wait; run it again, a repeat is harmless", err=True)
        sys.exit(UNAVAILABLE)
    if mover.totals.invalid and (once or since):
        sys.exit(1)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            "no ISO time; write it like 2026-07-01T12:00:00Z", param_hint="--since"
        ) from None
    if moment.tzinfo is None:
        raise click.BadParameter("it needs an offset, like 2026-07-01T12:00:00Z", param_hint="--since")
    return moment


def _open(given: str | None) -> "Engine":
    """The engine of the backend's database, every wait bounded, nothing in the database changed."""
    import sqlalchemy as sa
    from sqlalchemy.exc import ArgumentError

    settings = RelaySettings.load()
    found = settings.outbox_url or settings.database_url
    url = given or (found.get_secret_value() if found is not None else None)
    if url is None:
        raise SettingsError(
            "no database: set GONG_VIEWS_OUTBOX_URL (or DATABASE_URL), or pass --database-url"
        )
    try:
        address = sa.make_url(url)
    except ArgumentError:
        raise SettingsError(
            "the outbox's database is no address: use postgresql://user@host/name or sqlite:////path/to/file.db"
        ) from None
    match address.drivername.split("+")[0]:
        case "postgresql" | "postgres":
            from gong_worker.ledger.postgres import open_postgres

            return open_postgres(address.set(drivername="postgresql+psycopg"), pool_timeout=5)
        case "sqlite":
            if not Path(address.database or "").is_file():
                raise SettingsError(
                    f"there is no SQLite file {address.database}: correct the outbox's database URL"
                )
            return sa.create_engine(
                address.set(drivername="sqlite"), hide_parameters=True, connect_args={"timeout": 10}
            )
        case other:
            raise SettingsError(f"the outbox runs on SQLite and PostgreSQL, not on {other}")


def _until_signal(work: Callable[[threading.Event], None]) -> None:
    """Run `work` until it ends, or until SIGTERM or Ctrl-C and a moment's grace after it.

    The work has a thread of its own because a wait for a server that hangs cannot be cut short; this process
    can end all the same. Raises what `work` raises.
    """
    stop, wake = threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def body() -> None:
        try:
            work(stop)
        except BaseException as error:
            raised.append(error)
        finally:
            wake.set()

    def on_signal(*_: object) -> None:
        stop.set()
        wake.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    thread = threading.Thread(target=body, daemon=True, name="gong-views-relay")
    thread.start()
    wake.wait()
    thread.join(GRACE_SECONDS)
    if raised:
        raise raised[0]
