"""What the ledger costs a delivery: our three steps beside a plain task's three statements, in one run.

`PYTHONPATH=. python benchmarks/ledger_cycle.py [--events 1000] [--rounds 5] [--only sqlite|postgresql]`. Ours: claim,
attempt row, record, and then the same events once more as duplicates. The peer, by SQLAlchemy's book: SELECT for what
is known, INSERT before the call, UPDATE after it, each in a transaction; no lease, no attempt rows, no letters. The
figure is this process's processor time an event, user and kernel, without PostgreSQL's own; the least of the rounds.
"""

import argparse
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from benchmarks._plain_celery import plain_engine
from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import Resolution, Status
from gong_worker.ledger import (
    AlreadyHandled,
    AttemptFacts,
    Claimed,
    EventFacts,
    Ledger,
    MessageRef,
    migrate,
    open_engine,
)
from gong_worker.ledger.engine import ledger_url
from tests.support.servers import Postgres

plain = sa.Table(
    "plain_cycle",
    sa.MetaData(),
    sa.Column("event_id", sa.String(255), primary_key=True),
    sa.Column("reporting_system", sa.String(255), primary_key=True),
    sa.Column("status", sa.String(16)),
    sa.Column("request_id", sa.String(255)),
    sa.Column("started_at", sa.DateTime(timezone=True)),
    sa.Column("settled_at", sa.DateTime(timezone=True)),
)


def message() -> MessageRef:
    return MessageRef(uuid.uuid4().hex, Lane.LIVE, datetime.now(UTC), None, "benchmark")


def facts() -> EventFacts:
    return EventFacts("doc-1", datetime.now(UTC), "a" * 64)


def deliver(ledger: Ledger, key: EventKey) -> None:
    """The ledger's part of one delivery."""
    claimed = ledger.claim(key, message(), facts(), now=datetime.now(UTC), lease_seconds=60)
    assert isinstance(claimed, Claimed)
    now = datetime.now(UTC)
    number = ledger.begin_attempt(claimed.claim, now=now)
    attempt = AttemptFacts(AttemptOutcome.DELIVERED, 200, "request-1", None, 120, now)
    ledger.complete(
        claimed.claim,
        number,
        attempt,
        now=datetime.now(UTC),
        resolution=Resolution.ACCEPTED,
        integration_id=5517027188234205706,
    )


def repeat(ledger: Ledger, key: EventKey) -> None:
    """The same event in another message."""
    answer = ledger.claim(key, message(), facts(), now=datetime.now(UTC), lease_seconds=60)
    assert answer == AlreadyHandled(Status.DELIVERED, duplicate=True)


def by_the_book(engine: sa.Engine, key: EventKey) -> None:
    """What a plain task would do around its call."""
    is_key = sa.and_(plain.c.event_id == key.event_id, plain.c.reporting_system == key.reporting_system)
    with engine.connect() as connection:
        if connection.execute(sa.select(plain.c.status).where(is_key)).first():
            return
    with engine.begin() as connection:
        row = {"event_id": key.event_id, "reporting_system": key.reporting_system, "status": "sending"}
        connection.execute(sa.insert(plain).values(**row, started_at=datetime.now(UTC)))
    with engine.begin() as connection:
        settled = {"status": "delivered", "request_id": "request-1", "settled_at": datetime.now(UTC)}
        connection.execute(sa.update(plain).where(is_key).values(**settled))


def cpu_ms(work: Callable[[EventKey], None], keys: list[EventKey]) -> float:
    """Processor time an event."""
    began = time.process_time()
    for key in keys:
        work(key)
    return (time.process_time() - began) / len(keys) * 1000


def measure(database: str, events: int, rounds: int) -> tuple[float, float, float]:
    """Milliseconds of a delivery, a duplicate and the peer."""
    migrate(database)
    ledger, engine = Ledger(open_engine(database)), plain_engine(ledger_url(database).render_as_string(False))
    plain.metadata.create_all(engine)
    found: list[tuple[float, float, float]] = []
    try:
        for number in range(rounds + 1):  # the first opens connections and compiles
            keys = [EventKey("crm", f"event-{number}-{one}") for one in range(events if number else 50)]
            found.append(
                (
                    cpu_ms(lambda key: deliver(ledger, key), keys),
                    cpu_ms(lambda key: repeat(ledger, key), keys),
                    cpu_ms(lambda key: by_the_book(engine, key), keys),
                )
            )
    finally:
        ledger.close()
        engine.dispose()
    cycles, duplicates, peers = zip(*found[1:], strict=True)
    return min(cycles), min(duplicates), min(peers)


@contextmanager
def databases(only: str | None) -> Iterator[dict[str, str]]:
    """The addresses, by name."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = {}
        if only != "postgresql":
            found["SQLite"] = f"sqlite:///{folder}/ledger.db"
        if only != "sqlite":
            server = Postgres(folder)
            stack.callback(server.stop)
            found["PostgreSQL"] = server.new_database()
        yield found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    arguments = parser.parse_args()
    print(
        f"{'CPU ms an event':16}{'delivery':>10}{'duplicate':>11}{'plain task':>12}{'delivery ÷ plain':>18}"
    )
    with databases(arguments.only) as found:
        for name, database in found.items():
            cycle, duplicate, peer = measure(database, arguments.events, arguments.rounds)
            print(f"{name:16}{cycle:10.2f}{duplicate:11.2f}{peer:12.2f}{cycle / peer:18.2f}", flush=True)


if __name__ == "__main__":
    main()
