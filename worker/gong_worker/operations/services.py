"""The queue, gate and ledger that every process shares: made here, for workers and operators alike.

Without what only a worker needs (HTTP, Celery, the pipeline), which takes a command most of its start.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gong_views.embedded import redis_url_of
from gong_views.redis_url import redis_options
from gong_worker.gate import Gate, GateSettings
from gong_worker.ledger.errors import LedgerUnavailable, SchemaOutdated
from gong_worker.ledger.lazy import LazyLedger
from gong_worker.settings import WorkerSettings

if TYPE_CHECKING:
    from gong_worker.ledger import Ledger

RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Services:
    """The same queue, gate and ledger that the workers use."""

    settings: WorkerSettings
    redis_url: str
    client: redis.Redis
    lazy_ledger: LazyLedger
    gate: Gate

    @property
    def ledger(self) -> "Ledger":
        """Opened for whoever asks first. Raises LedgerError when none can be at such an address."""
        return self.lazy_ledger.open()

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
        self.lazy_ledger.close()


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
    settings: WorkerSettings,
    client: redis.Redis,
    ledger: "Ledger | LazyLedger | None",
    *,
    worker: bool = True,
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
        target=settings.target_fingerprint,
        worker=worker,
    )


def open_services(settings: WorkerSettings | None = None, *, ledger_may_be_away: bool = False) -> Services:
    """Connect to the queue and the ledger that the settings name, by default those of the environment.

    With a ledger that may be away nothing is asked of it before it is needed. Raises SettingsError, QueueUnavailable,
    SchemaOutdated or LedgerUnavailable.
    """
    services = _open(settings or WorkerSettings.load())
    if not ledger_may_be_away:
        try:
            _check_ledger(services)
        except (LedgerUnavailable, SchemaOutdated):
            services.close()
            raise
    return services


class SharedServices:
    """The services of all threads of a server: opened once, when first asked for, also while the ledger is away.

    The ledger is looked for anew until it is there; one that does not answer, which may take its time to be found
    out, at most once a second however many ask.
    """

    def __init__(
        self,
        settings: Callable[[], WorkerSettings] = WorkerSettings.load,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._lock = threading.Lock()
        self._services: Services | None = None
        self._whole = False
        self._missed: tuple[float, LedgerUnavailable] | None = None

    def get(self, *, ledger_may_be_away: bool = False) -> Services:
        """Raises what `open_services` does."""
        with self._lock:
            if self._services is None:
                self._services = _open(self._settings())
            if not self._whole:
                try:
                    self._look_for_ledger(self._services)
                    self._whole = True
                except (LedgerUnavailable, SchemaOutdated):
                    if not ledger_may_be_away:
                        raise
            return self._services

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._services is not None:
                self._services.close()

    def _look_for_ledger(self, services: Services) -> None:
        if self._missed is not None and self._clock() - self._missed[0] < RETRY_SECONDS:
            raise self._missed[1]
        try:
            _check_ledger(services)
        except LedgerUnavailable as error:
            self._missed = self._clock(), error
            raise


def _open(settings: WorkerSettings) -> Services:
    """Connects to nothing yet."""
    url = redis_url_of(settings)
    client = redis_client(url)

    def open_ledger() -> "Ledger":
        from gong_worker.ledger import Ledger, open_engine

        ledger = Ledger(open_engine(settings.ledger_url))
        if settings.hash_key is not None:
            ledger.use_hash_key(settings.hash_key.get_secret_value().encode())
        return ledger

    lazy = LazyLedger(settings.ledger_url, open_ledger)
    return Services(settings, url, client, lazy, make_gate(settings, client, lazy))


def _check_ledger(services: Services) -> None:
    """Raises SchemaOutdated or LedgerUnavailable."""
    from gong_worker.ledger import check_schema

    check_schema(services.ledger.engine)
