"""The process around `gong_views.outbox.relay.Relay`: its settings, its database and its signals."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.engine import Engine

from gong_views.errors import QueueUnavailable, SettingsError
from gong_views.outbox.errors import OutboxUnavailable
from gong_views.outbox.relay import Relay, Totals
from gong_views.queue import ViewQueue
from gong_views.settings import ProducerSettings, Secret
from gong_worker.ledger.engine import parse_url
from gong_worker.ledger.postgres import open_postgres

# How long SIGTERM waits for the batch in hand. What is not done by then is rolled back by its database.
GRACE_SECONDS = 0.6


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


@dataclass(frozen=True, slots=True)
class RelayRun:
    """What one run did, and the outage that ended it early, if one did."""

    totals: Totals
    failure: QueueUnavailable | OutboxUnavailable | None


def run_relay(
    database_url: str | None,
    *,
    batch: int,
    poll_seconds: float,
    keep_days: float | None,
    once: bool = False,
    since: datetime | None = None,
) -> RelayRun:
    """Relay until SIGTERM or Ctrl-C; with `once` until no row waits; with `since` repeat those rows.

    Raises SettingsError, OutboxError, OutboxMissing.
    """
    engine = open_engine(database_url)
    with ViewQueue(source="outbox") as queue:
        relay = Relay(engine, queue, batch=batch, poll_seconds=poll_seconds, keep_days=keep_days)

        def work(stop: threading.Event) -> None:
            if since is not None:
                relay.repeat(since, stop)
            elif once:
                relay.drain(stop)
            else:
                relay.run(stop)

        try:
            run_until_signal(work)
        except (QueueUnavailable, OutboxUnavailable) as error:
            return RelayRun(relay.totals, error)
        return RelayRun(relay.totals, None)


def open_engine(given: str | None, option: str = "--database-url") -> Engine:
    """The engine of the backend's database, every wait bounded, nothing in the database changed.

    `given`, with `option`, goes before the environment, and may hold no password. Raises SettingsError, which
    never quotes the URL.
    """
    settings = RelaySettings.load()
    found = settings.outbox_url or settings.database_url
    url = given or (found.get_secret_value() if found is not None else None)
    if url is None:
        raise SettingsError(f"no database: set GONG_VIEWS_OUTBOX_URL (or DATABASE_URL), or pass {option}")
    address = parse_url(url, "GONG_VIEWS_OUTBOX_URL (or DATABASE_URL)")
    if given and (address.password or "password" in address.query):
        raise SettingsError(
            f"{option}: a password on the command line shows in ps to every user of this machine; put the URL "
            "into GONG_VIEWS_OUTBOX_URL, or the file that GONG_VIEWS_OUTBOX_URL_FILE names, and change the password"
        )
    match address.drivername.split("+")[0]:
        case "postgresql" | "postgres":
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


def run_until_signal(work: Callable[[threading.Event], None]) -> None:
    """Run `work` until it ends, or until SIGTERM or Ctrl-C and the grace after it. Raises what `work` raises.

    The work has a thread of its own because a wait for a server that hangs cannot be cut short; this process
    can end all the same.
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
