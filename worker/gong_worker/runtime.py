"""The composition root: the one place that makes the parts and joins them."""

import hashlib
import logging
import threading
from collections.abc import Callable

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gong_views.embedded import redis_url_of
from gong_worker.deliver import Deliverer
from gong_worker.gate import Gate, GateSettings
from gong_worker.gong import GongClient
from gong_worker.ledger import Ledger, LedgerUnavailable, check_schema, open_engine
from gong_worker.maintenance import Duty, Housekeeper
from gong_worker.operations.enqueue_counts import mirror_intake
from gong_worker.operations.services import Office
from gong_worker.operations.unreadable import take_unreadable
from gong_worker.queue.consumer_pause import Intake
from gong_worker.queue.messages import Mailroom
from gong_worker.settings import WorkerSettings

log = logging.getLogger(__name__)

# How long a delivery that failed unexpectedly waits for its next try.
UNEXPECTED_SECONDS = 60.0


def redis_client(url: str) -> redis.Redis:
    """A client whose every command ends within seconds and is tried once: the callers decide what to repeat."""
    return redis.Redis.from_url(
        url, socket_timeout=5.0, socket_connect_timeout=2.0, retry=Retry(NoBackoff(), 0), protocol=2
    )


def make_gate(settings: WorkerSettings, client: redis.Redis, ledger: Ledger | None) -> Gate:
    """The company's gate, shared by every process on the same Redis."""
    return Gate(
        client,
        GateSettings(
            calls_per_second=settings.calls_per_second,
            calls_per_day=settings.calls_per_day,
            day_reserve=settings.day_reserve,
        ),
        history=ledger.calls_per_minute if ledger is not None else lambda _since: (),
        credential=settings.credential_fingerprint,
        target=hashlib.sha256(settings.gong_base_url.encode()).hexdigest()[:16],
    )


def open_gate(settings: WorkerSettings) -> Gate:
    """The gate without the ledger, to hold and release it; it must not be asked for slots.

    Its history is empty: the calls of the day that it tells on a fresh Redis are those made since.
    """
    return make_gate(settings, redis_client(redis_url_of(settings)), None)


def open_office(settings: WorkerSettings, *, ledger_may_be_away: bool = False) -> Office:
    """Connect to the queue and the ledger; raises QueueUnavailable, SchemaOutdated or LedgerUnavailable."""
    engine = open_engine(settings.ledger_url)
    ledger = Ledger(engine)
    history: Ledger | None = ledger
    try:
        check_schema(engine)
    except LedgerUnavailable:
        if not ledger_may_be_away:
            raise
        history = None
    url = redis_url_of(settings)
    client = redis_client(url)
    return Office(settings, url, client, ledger, make_gate(settings, client, history))


class Runtime:
    """One worker process: the deliverer and its housekeeping."""

    def __init__(self, office: Office, *, concurrency: int) -> None:
        settings = office.settings
        self.stop = threading.Event()
        self.mailroom = Mailroom(office.client, concurrency=concurrency)
        self.intake = Intake(self.mailroom.wake.up)
        self.gong = GongClient(
            settings.gong_base_url,
            settings.auth(),
            timeout_seconds=settings.request_timeout_seconds,
            max_connections=concurrency,
        )
        self.ledger = office.ledger
        self.lease_seconds = settings.visibility_timeout_seconds
        self.deliverer = Deliverer(
            ledger=office.ledger,
            gate=office.gate,
            gong=self.gong,
            mailroom=self.mailroom,
            intake=self.intake,
            policy=settings.retry_policy,
            lease_seconds=self.lease_seconds,
            stop=self.stop,
        )
        # A quarter of the timeout: three signs of life may fail before the message is taken for abandoned.
        sign_of_life = self.lease_seconds / 4
        self._queue_side = Housekeeper(
            "queue",
            [
                Duty("renew messages", sign_of_life, self.mailroom.renew),
                Duty("pay debts", 0.5, self.mailroom.pay),
                Duty("poll the pause", 0.5, self.intake.poll),
            ],
        )
        self._ledger_side = Housekeeper(
            "ledger",
            [
                Duty("renew claims", sign_of_life, self._renew_claims),
                Duty("take unreadable", 4.0, lambda: take_unreadable(office.client, office.ledger)),
                Duty("mirror intake", 2.0, lambda: mirror_intake(office.client, office.ledger)),
            ],
        )

    def start(self) -> None:
        """Begin the housekeeping."""
        self._queue_side.start()
        self._ledger_side.start()

    def deliver(self, tag: str) -> None:
        """Deliver what is held under a tag. Never raises: an exception would look like an end to Celery."""
        delivery = self.mailroom.held(tag)
        if delivery is None:
            log.warning("no such delivery", extra={"action": "delivery_unknown", "delivery_tag": tag})
            return
        try:
            self.deliverer.deliver(delivery)
        except Exception:
            log.exception(
                "delivery failed unexpectedly",
                extra={"action": "delivery_failed", "message_id": delivery.envelope.message_id},
            )
            self.mailroom.park(delivery, UNEXPECTED_SECONDS)

    def close(self) -> None:
        """After the last delivery: what is still held goes back, debts are paid once more."""
        self.stop.set()
        self.mailroom.give_back_all()
        attempt(self.mailroom.pay)
        self._queue_side.stop()
        self._ledger_side.stop()
        self.gong.close()

    def _renew_claims(self) -> None:
        claims = self.deliverer.claims()
        if claims:
            self.ledger.renew(claims, now=self.deliverer.now(), lease_seconds=self.lease_seconds)


def attempt(action: Callable[[], object]) -> None:
    """Do it if Redis is there."""
    try:
        action()
    except redis.RedisError as error:
        log.warning("left undone", extra={"action": "close_failed", "error": type(error).__name__})
