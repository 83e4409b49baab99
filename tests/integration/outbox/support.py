"""A backend with an outbox, as tests need it: its engine, its rows, and what a relay put on the queue."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from gong_views import QueueUnavailable, ViewQueue, message, outbox
from gong_views.names import Lane
from gong_views.outbox.relay import Relay
from gong_views.receipt import BatchResult
from tests.support.views import view


class Base(DeclarativeBase):
    """The backend's own tables."""


class Order(Base):
    """Something the backend writes together with an event."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def operations(connection: sa.Connection) -> Operations:
    """What `alembic.op` is inside of a migration."""
    return Operations(MigrationContext.configure(connection))


def backend_engine(url: str) -> sa.Engine:
    """An engine as a backend makes it."""
    timeout = {"timeout": 60} if url.startswith("sqlite") else {}
    return sa.create_engine(url, connect_args=timeout)


def install(engine: sa.Engine) -> None:
    """The backend's tables and the outbox, as its migrations make them."""
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        outbox.schema.upgrade(operations(connection), version=1)


def add_many(engine: sa.Engine, numbers: Iterable[int], **fields: Any) -> None:
    """One committed row for each number."""
    with engine.begin() as connection:
        for number in numbers:
            outbox.add(connection, view(number, **fields))


def table_rows(engine: sa.Engine) -> list[Any]:
    """Every row of the outbox, oldest first."""
    with engine.connect() as connection:
        return list(connection.execute(sa.select(outbox.table).order_by(outbox.table.c.id)))


def unrelayed(engine: sa.Engine) -> int:
    """How many rows wait."""
    return sum(row.relayed_at is None and row.error is None for row in table_rows(engine))


def messages(redis_url: str, lane: Lane = Lane.LIVE) -> list[message.Envelope]:
    """The lane's messages, oldest first."""
    with redis.Redis.from_url(redis_url) as client:
        raws: Any = client.lrange(lane.queue, 0, -1)
    return [message.parse(raw) for raw in reversed(raws)]


def queued(redis_url: str, lane: Lane = Lane.LIVE) -> list[str]:
    """The ids of the lane's events, oldest first."""
    return [str(envelope.event["eventId"]) for envelope in messages(redis_url, lane)]


def ids(numbers: Iterable[int]) -> list[str]:
    """The event ids that `view` gives those numbers."""
    return [f"view-{number}" for number in numbers]


class FlakyQueue(ViewQueue):
    """Refuses like an absent Redis until `up`; `failing` limits that to one lane."""

    def __init__(self, redis_url: str, failing: Lane | None = None) -> None:
        super().__init__(redis_url)
        self.up, self.refused, self.failing = False, 0, failing

    def enqueue_many(self, events: Iterable[Any], lane: Any = "live", **options: Any) -> BatchResult:
        if not self.up and (self.failing is None or self.failing == lane):
            self.refused += 1
            raise QueueUnavailable("Redis refuses connections")
        return super().enqueue_many(events, lane, **options)


@contextmanager
def running(relay: Relay, stop: threading.Event) -> Iterator[None]:
    """The relay in a thread for the length of the block."""
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The actions of the log records, in order."""
    return [getattr(record, "action", "") for record in caplog.records]
