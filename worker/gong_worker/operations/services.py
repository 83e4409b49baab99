"""The queue, gate and ledger that every process shares: made here, for workers and operators alike.

Without what only a worker needs (HTTP, Celery, the pipeline), which takes a command most of its start.
"""

import hashlib
from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gong_views.embedded import redis_url_of
from gong_views.redis_url import redis_options
from gong_worker.gate import Gate, GateSettings
from gong_worker.ledger import Ledger, LedgerUnavailable, SchemaOutdated, check_schema, open_engine
from gong_worker.settings import WorkerSettings


@dataclass(frozen=True)
class Services:
    """The same queue, gate and ledger that the workers use."""

    settings: WorkerSettings
    redis_url: str
    client: redis.Redis
    ledger: Ledger
    gate: Gate


def redis_client(url: str) -> redis.Redis:
    """A client whose every command ends within seconds and is tried once: the callers decide what to repeat."""
    options = {
        **redis_options(url),
        "socket_timeout": 5.0,
        "socket_connect_timeout": 2.0,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    return redis.Redis.from_pool(redis.ConnectionPool(**options))


def make_gate(
    settings: WorkerSettings, client: redis.Redis, ledger: Ledger | None, *, worker: bool = True
) -> Gate:
    """The company's gate, shared by every process on the same Redis."""
    return Gate(
        client,
        GateSettings(
            calls_per_second=settings.calls_per_second,
            calls_per_day=settings.calls_per_day,
            day_reserve=settings.day_reserve,
            reserve_per_second=settings.reserve_per_second,
            bulk_reserve_per_second=settings.bulk_reserve_per_second,
            probe_lease_seconds=max(60.0, settings.request_timeout_seconds + 15.0),
        ),
        history=ledger.calls_per_minute if ledger is not None else lambda _since: (),
        recorded=None
        if ledger is None
        else lambda since, open_until: ledger.calls_per_minute(since, open_until=open_until),
        operator_limits=dict if ledger is None else ledger.operator_limits,
        credential=settings.credential_fingerprint,
        target=hashlib.sha256(settings.gong_base_url.encode()).hexdigest()[:16],
        worker=worker,
    )


def open_services(settings: WorkerSettings | None = None, *, ledger_may_be_away: bool = False) -> Services:
    """Connect to the queue and the ledger that the settings name, by default those of the environment.

    Raises SettingsError, QueueUnavailable, SchemaOutdated or LedgerUnavailable.
    """
    settings = settings or WorkerSettings.load()
    url = redis_url_of(settings)
    engine = open_engine(settings.ledger_url)
    ledger = Ledger(engine)
    history: Ledger | None = ledger
    try:
        check_schema(engine)
    except (LedgerUnavailable, SchemaOutdated):
        if not ledger_may_be_away:
            raise
        history = None
    client = redis_client(url)
    return Services(settings, url, client, ledger, make_gate(settings, client, history))
