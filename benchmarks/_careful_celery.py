"""The peer of promises.py: what a careful engineer makes of stock Celery.

`python -m benchmarks._careful_celery REDIS DATABASE GONG RATE`. Late acknowledgement, a short visibility timeout,
Celery's own rate limit, a table for what was delivered, retries with backoff that honour Retry-After, 409 taken as
delivered, 400 noted and let go.
"""

import sys

import httpx
import sqlalchemy as sa
from celery import Celery, Task, signals

from benchmarks._plain_celery import PATH, metadata, plain_engine

VISIBILITY_SECONDS = 20
MAX_RETRIES = 12
outcomes = sa.Table(
    "careful_outcomes",
    metadata,
    sa.Column("event_id", sa.String(255), primary_key=True),
    sa.Column("outcome", sa.String(16)),
)


def careful_app(redis_url: str) -> Celery:
    """The application of both sides."""
    app = Celery("careful", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_default_queue="careful",
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_concurrency=8,
        worker_redirect_stdouts=False,
        broker_transport_options={"visibility_timeout": VISIBILITY_SECONDS},
    )
    return app


def main() -> None:
    redis_url, database_url, gong_url, rate = sys.argv[1:5]
    app, engine = careful_app(redis_url), plain_engine(database_url)
    metadata.create_all(engine)
    client = httpx.Client(base_url=gong_url, auth=("sim-key", "sim-secret"), trust_env=False, timeout=10)

    def note(event_id: str, outcome: str) -> None:
        with engine.begin() as connection:
            connection.execute(sa.delete(outcomes).where(outcomes.c.event_id == event_id))
            connection.execute(sa.insert(outcomes).values(event_id=event_id, outcome=outcome))

    @app.task(bind=True, name="careful.deliver", rate_limit=rate, max_retries=MAX_RETRIES)
    def deliver(task: Task, event: dict[str, str]) -> None:
        with engine.connect() as connection:
            if connection.execute(sa.select(outcomes).where(outcomes.c.event_id == event["eventId"])).first():
                return
        backoff = min(60, 2**task.request.retries)
        try:
            response = client.put(PATH, json=event)
        except httpx.TransportError as error:
            raise task.retry(exc=error, countdown=backoff) from error
        if response.is_success or response.status_code == 409:
            note(event["eventId"], "delivered")
        elif response.status_code == 400:
            note(event["eventId"], "refused")
        else:
            wait = response.headers.get("Retry-After", "")
            raise task.retry(countdown=int(wait) if wait.isdigit() else backoff)

    @signals.worker_ready.connect(weak=False)
    def _ready(**_: object) -> None:
        print("worker_ready", flush=True)

    app.worker_main(["--quiet", "worker", "--pool=threads", "--loglevel=ERROR"])


if __name__ == "__main__":
    main()
