"""The peer: a Celery task by the book, on stock kombu. `python -m benchmarks._plain_celery REDIS DATABASE GONG POOL`.

One SELECT for what was delivered before, one PUT, one INSERT. It knows no limit, no lease, no attempt row, no dead
letter, and what it does when something fails is Celery's default.
"""

import json
import sys
import time

import httpx
import sqlalchemy as sa
from celery import Celery, signals
from sqlalchemy import event as sa_event

QUEUE = "plain"
PATH = "/v2/customer-engagement/content/viewed"
metadata = sa.MetaData()
delivered = sa.Table(
    "plain_delivered",
    metadata,
    sa.Column("reporting_system", sa.String(255), primary_key=True),
    sa.Column("event_id", sa.String(255), primary_key=True),
    sa.Column("request_id", sa.String(255)),
    sa.Column("enqueued_at", sa.Float),
    sa.Column("delivered_at", sa.Float),
)


def plain_app(redis_url: str) -> Celery:
    """The application of both sides."""
    app = Celery("plain", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        task_acks_late=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_concurrency=8,
    )
    return app


def plain_engine(url: str) -> sa.Engine:
    """Pooled for eight threads, and as durable on SQLite as the ledger is."""
    engine = sa.create_engine(url, pool_size=8)
    if engine.dialect.name == "sqlite":

        @sa_event.listens_for(engine, "connect")
        def _connected(connection: object, _record: object) -> None:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
                connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]

    return engine


def main() -> None:
    redis_url, database_url, gong_url, pool = sys.argv[1:5]
    app, engine = plain_app(redis_url), plain_engine(database_url)
    metadata.create_all(engine)
    engine.dispose()  # forked processes must not share its connection
    client = httpx.Client(base_url=gong_url, auth=("key", "secret"), trust_env=False)

    @app.task(name="plain.deliver")
    def deliver(event: dict[str, str], enqueued_at: float) -> None:
        key = (event["reportingSystem"], event["eventId"])
        is_key = sa.and_(delivered.c.reporting_system == key[0], delivered.c.event_id == key[1])
        with engine.connect() as connection:
            if connection.execute(sa.select(delivered.c.request_id).where(is_key)).first():
                return
        response = client.put(PATH, content=json.dumps(event))
        response.raise_for_status()
        with engine.begin() as connection:
            connection.execute(
                sa.insert(delivered).values(
                    reporting_system=key[0],
                    event_id=key[1],
                    request_id=response.json()["requestId"],
                    enqueued_at=enqueued_at,
                    delivered_at=time.time(),
                )
            )

    @signals.worker_ready.connect(weak=False)
    def _ready(**_: object) -> None:
        print("worker_ready", flush=True)

    app.worker_main(["--quiet", "worker", f"--pool={pool}", "--loglevel=WARNING"])


if __name__ == "__main__":
    main()
