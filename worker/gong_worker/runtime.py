"""The composition root of a worker: makes its parts and joins them to the services (operations/services.py)."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import redis

from gong_views.embedded import redis_url_of
from gong_views.errors import GongViewsError
from gong_worker import liveness, notify
from gong_worker.alerts_settings import AlertSettings
from gong_worker.deliver import Deliverer
from gong_worker.domain.grants import USABLE
from gong_worker.gate import Gate, GateUnavailable
from gong_worker.gong import GongClient
from gong_worker.gong_auth import credential_of
from gong_worker.ledger import Ledger, open_engine, place_of
from gong_worker.maintenance import MaintenanceThread, PeriodicJob
from gong_worker.operations.alerts import AlertWatch
from gong_worker.operations.enqueue_counts import mirror_enqueue_counts
from gong_worker.operations.preflight import Finding, failed
from gong_worker.operations.preflight_call import check_call
from gong_worker.operations.retention import Retention
from gong_worker.operations.services import Services, make_gate, open_services, redis_client
from gong_worker.operations.unreadable import take_unreadable
from gong_worker.queue.clock import SharedClock
from gong_worker.queue.consumer_pause import ConsumerPause
from gong_worker.queue.messages import Messages
from gong_worker.queue.part_holds import PartWatch, return_released
from gong_worker.queue.server import ServerWatch
from gong_worker.queue.workers import HEARTBEAT_SECONDS, Heartbeat
from gong_worker.settings import WorkerSettings

if TYPE_CHECKING:
    from gong_worker.operations.token_keeper import TokenKeeper

log = logging.getLogger(__name__)

# So long a thread takes the next message itself; then it goes back to Celery, whose own accounts of what is active and
# how much may be prefetched go by tasks that return.
CHAIN_SECONDS = 1.0
# How often deleted text is taken out of SQLite's write-ahead log.
TIDY_SECONDS = 300.0
DROPPED_AT_ONCE = 200
# How often a worker looks whether it is to prune today, or to go on for one that died.
RETENTION_SECONDS = 5.0


def ask_gong(settings: WorkerSettings) -> Finding:
    """The preflight's one call to Gong, in turn with the workers' and counted like theirs."""
    client = redis_client(redis_url_of(settings))
    ledger = Ledger(open_engine(settings.ledger_url))
    gate = make_gate(settings, client, ledger, worker=False)
    keeper = _keeper(settings, ledger, None)
    if keeper is not None and keeper.look(renew=False) not in USABLE:
        return failed("call", "not made: there is no usable access token", "see gong-views oauth status")
    gong = GongClient(
        keeper or credential_of(settings),
        timeout_seconds=settings.request_timeout_seconds,
    )
    try:
        return check_call(gate, gong)
    finally:
        gong.close()
        client.close()


def _keeper(settings: WorkerSettings, ledger: Ledger, gate: Gate | None) -> "TokenKeeper | None":
    """The keeper of the access token; None without OAuth, whose encryption others need not load."""
    if not settings.uses_oauth:
        return None
    from gong_worker.operations.oauth import make_keeper

    return make_keeper(settings, ledger, gate)


def start_alerts() -> None:
    """Take part in the alerts, in a process that is no worker."""
    services = open_services(ledger_may_be_away=True)
    _ = services.ledger  # connects to nothing; an address that cannot be one is told now
    thread = alert_thread(services)
    if thread is not None:
        thread.start()


def alert_thread(services: Services) -> MaintenanceThread | None:
    """This process's part in the alerts, not started; None without GONG_VIEWS_ALERT_URLS. Raises SettingsError."""
    settings = AlertSettings.load()
    if not settings.addresses:
        return None
    notify.refuse_unknown(settings.addresses)
    watch = AlertWatch(services, settings, notify.send)
    return MaintenanceThread("alerts", [PeriodicJob("alerts", settings.interval_seconds / 3, watch.run)])


def retention_thread(services: Services, stop: threading.Event) -> MaintenanceThread | None:
    """A worker's part in the retention, not started; None without GONG_VIEWS_RETENTION_DAYS."""
    settings = services.settings
    if settings.retention_days is None:
        return None
    retention = Retention(
        services, days=settings.retention_days, keep_keys=settings.retention_keep_keys, stop=stop
    )
    return MaintenanceThread("retention", [PeriodicJob("retention", RETENTION_SECONDS, retention.run)])


class Runtime:
    """One worker process: the deliverer and its maintenance threads."""

    def __init__(self, services: Services, *, concurrency: int) -> None:
        settings = services.settings
        self._gate = services.gate
        self.stop = threading.Event()
        self.messages = Messages(services.client, concurrency=concurrency)
        self.consumer_pause = ConsumerPause(self.messages.wake.up)
        self._keeper = _keeper(settings, services.ledger, services.gate)
        self.gong = GongClient(
            self._keeper or credential_of(settings),
            timeout_seconds=settings.request_timeout_seconds,
        )
        self.ledger = services.ledger
        self.lease_seconds = settings.visibility_timeout_seconds
        self.clock = SharedClock(services.client)
        self.parts = PartWatch(services.client)
        self.heartbeat = Heartbeat(
            services.client,
            self.messages.refusals,
            concurrency=concurrency,
            in_hand=lambda: len(self.messages.in_hand.all()),
            paused=lambda: self.consumer_pause.state,
            ledger=place_of(services.ledger.engine),
            credential=settings.credential_fingerprint,
            target=settings.target_fingerprint,
        )
        self.deliverer = Deliverer(
            ledger=services.ledger,
            gate=services.gate,
            gong=self.gong,
            messages=self.messages,
            consumer_pause=self.consumer_pause,
            parts=self.parts,
            policy=settings.retry_policy,
            lease_seconds=self.lease_seconds,
            stop=self.stop,
            now=self.clock.now,
            worker=self.heartbeat.id,
        )
        # A quarter of the timeout: three renewals may fail before it runs out.
        renewal_seconds = self.lease_seconds / 4
        self._queue_side = MaintenanceThread(
            "queue",
            [
                PeriodicJob("renew messages", renewal_seconds, self._told_once(self.messages.renew)),
                PeriodicJob("read the clock", 5.0, self._told_once(self.clock.read)),
                PeriodicJob("run deferred", 0.5, self._told_once(self.run_deferred)),
                PeriodicJob("poll the pause", 0.5, self.consumer_pause.poll),
                PeriodicJob("read held parts", 0.5, self._told_once(self.parts.refresh)),
                PeriodicJob(
                    "return released", 0.5, self._told_once(lambda: return_released(services.client))
                ),
                PeriodicJob("log holds", 1.0, self._log_holds),
                PeriodicJob("sign of life", liveness.BEAT_SECONDS, lambda: liveness.beat(settings.data_dir)),
                PeriodicJob("heartbeat", HEARTBEAT_SECONDS, self.heartbeat.beat),
                PeriodicJob("look at the server", 60.0, self._told_once(ServerWatch(services.client).look)),
                PeriodicJob("forget old workers", 600.0, self._told_once(self.heartbeat.forget_old)),
            ],
        )
        self._ledger_side = MaintenanceThread(
            "ledger",
            [
                PeriodicJob("renew claims", renewal_seconds, self._renew_claims),
                PeriodicJob(
                    "tidy the ledger", TIDY_SECONDS, self.ledger.tidy, time.monotonic() + TIDY_SECONDS
                ),
                PeriodicJob("compare the day", 15.0, services.gate.compare_day),
                PeriodicJob("drop", 0.5, self._told_once(self._drop)),
                PeriodicJob(
                    "take unreadable",
                    4.0,
                    self._told_once(lambda: take_unreadable(services.client, services.ledger)),
                ),
                PeriodicJob(
                    "mirror enqueue counts",
                    2.0,
                    self._told_once(lambda: mirror_enqueue_counts(services.client, services.ledger)),
                ),
            ],
        )

        self._oauth = None
        if self._keeper is not None:
            keep = PeriodicJob("keep the access token", 0.5, self._keeper.tend)
            self._oauth = MaintenanceThread("oauth", [keep])
        self._alerts = alert_thread(services)
        self._retention = retention_thread(services, self.stop)

    def start(self) -> None:
        """Let the settings count for all workers, and start the maintenance threads."""
        with suppress(GateUnavailable):  # the first call asks for it again
            self._gate.register()
        attempt(self.parts.refresh)
        if self._keeper is not None and self._oauth is not None:
            with suppress(GongViewsError):  # told by the thread, which goes on trying
                self._keeper.look()
            self._oauth.start()
        self._queue_side.start()
        self._ledger_side.start()
        if self._alerts is not None:
            self._alerts.start()
        if self._retention is not None:
            self._retention.start()

    def _drop(self) -> None:
        """Write what an operator has dropped as dead letters. What a crash or an outage meets is set aside again."""
        for _ in range(DROPPED_AT_ONCE):
            if (
                self.stop.is_set()
                or self.consumer_pause.paused
                or (message := self.messages.take_dropped()) is None
            ):
                return
            self.deliverer.deliver(message, drop=True)

    def _log_holds(self) -> None:
        with suppress(GateUnavailable):  # told elsewhere, when it begins and when it ends
            self._gate.log_holds()

    def deliver(self, tag: str) -> None:
        """Deliver the message in hand under a tag, and for up to CHAIN_SECONDS those that its thread takes next."""
        received = self.messages.get(tag)
        if received is None:
            log.warning("no such delivery", extra={"action": "delivery_unknown", "delivery_tag": tag})
            return
        until = time.monotonic() + CHAIN_SECONDS
        while received is not None:
            received = self.deliverer.deliver(received, next_until=until)

    def close(self) -> None:
        """After the last delivery: run the deferred actions once more, requeue what is still in hand.

        A Redis that does not answer is not waited for again and again: what is left comes back after the visibility
        timeout.
        """
        self.stop.set()
        answers = attempt(self._give_back)
        if self._keeper is not None and self._oauth is not None:
            self._keeper.stop()
            self._oauth.stop()
        self._queue_side.stop()
        self._ledger_side.stop()
        if self._alerts is not None:
            self._alerts.stop()
        if self._retention is not None:
            self._retention.stop()
        if answers:
            attempt(self.heartbeat.remove)
        self.gong.close()

    def _give_back(self) -> None:
        self.run_deferred()
        self.messages.requeue_all()

    def run_deferred(self) -> None:
        """What Redis did not take while it was away: first what the gate must know, then the ends of messages.

        Raises GateUnavailable or redis.RedisError while it still does not.
        """
        self.deliverer.reports.flush()
        self.messages.run_deferred()

    def _told_once(self, action: Callable[[], object]) -> Callable[[], None]:
        """The action, whose refusal by Redis is not told by every job anew."""

        def run() -> None:
            try:
                action()
            except redis.ResponseError as error:
                self.messages.refusals.refused(error)

        return run

    def _renew_claims(self) -> None:
        claims = self.deliverer.claims()
        if claims:
            self.ledger.renew(claims, now=self.deliverer.now(), lease_seconds=self.lease_seconds)


def attempt(action: Callable[[], object]) -> bool:
    """Do it if Redis is there; whether it was."""
    try:
        action()
    except (redis.RedisError, GateUnavailable) as error:
        log.warning("left undone", extra={"action": "close_failed", "error": type(error).__name__})
        return False
    return True
