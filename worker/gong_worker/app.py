"""The Celery application: `gong-views worker`, or plain `celery -A gong_worker.app worker`.

Importing this module reads the settings; a worker that starts without REDIS_URL starts the embedded queue server
as well, and supervises it. Producers import `gong_views`, which has no Celery application at all.
"""

import logging
import os
import signal
import warnings
from typing import Any

from celery import Celery, signals
from celery.exceptions import SecurityWarning
from kombu import Queue

from gong_views.embedded import recorded_url
from gong_views.errors import GongViewsError
from gong_views.names import TASK_NAME, UNACKED_INDEX_KEY, UNACKED_KEY, Lane
from gong_worker import logs, tracing
from gong_worker.embedded_server import EmbeddedServer
from gong_worker.ledger import LedgerUnavailable, SchemaOutdated
from gong_worker.operations.services import open_services
from gong_worker.queue.remote_control import reduce_panel
from gong_worker.queue.server import refuse_unfit
from gong_worker.queue.transport import broker_options, wire
from gong_worker.runtime import Runtime
from gong_worker.settings import HOW_TO_AUTHENTICATE, LogSettings, WorkerSettings
from gong_worker.settings_registry import refuse_unknown

log = logging.getLogger(__name__)
_runtime: Runtime | None = None
_hangup_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # under nohup

try:
    refuse_unknown()
    LogSettings.load()
    settings: WorkerSettings = WorkerSettings.load()
    # A worker without REDIS_URL replaces it when it has started its server.
    redis_url = (
        settings.redis_url.get_secret_value() if settings.redis_url else recorded_url(settings.data_dir)
    )
    broker = broker_options(redis_url or "redis://")
except GongViewsError as error:
    raise SystemExit(f"gong-views: {error}") from None

# It recommends an option that our command has not, in several lines of no format, before the log is set up.
warnings.filterwarnings("ignore", category=SecurityWarning)
app = Celery("gong-views", set_as_current=False)
app.conf.update(
    broker_url=broker["broker_url"],
    broker_transport="gong_worker.queue.transport:DurableTransport",
    broker_transport_options={
        **broker["broker_transport_options"],
        "unacked_key": UNACKED_KEY,
        "unacked_index_key": UNACKED_INDEX_KEY,
        "visibility_timeout": settings.visibility_timeout_seconds,
        "queue_order_strategy": "priority",
        # How soon after the visibility timeout an abandoned message is found: 1 s for short ones, at most 5 s.
        "unacked_restore_interval": min(5.0, max(1.0, settings.visibility_timeout_seconds / 4)),
        "unacked_restore_throttle": 1,
        "socket_timeout": 5.0,
        "socket_connect_timeout": 2.0,
        "socket_keepalive": True,
        # A blocked pop that stays unanswered this long means the connection is dead.
        "health_check_interval": 5,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    broker_pool_limit=None,
    task_queues=[Queue(lane.queue, routing_key=lane.queue) for lane in Lane],
    task_default_queue=Lane.LIVE.queue,
    task_create_missing_queues=False,
    task_acks_late=True,
    task_acks_on_failure_or_timeout=True,
    task_reject_on_worker_lost=False,
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    accept_content=["json"],
    worker_pool="threads",
    worker_concurrency=settings.concurrency,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    # Only commands that look are in the panel (gong_worker.queue.remote_control).
    worker_enable_remote_control=True,
    # No binding that expires: refreshing it is a write, which a full Redis refuses.
    control_queue_expires=None,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_proc_alive_timeout=30,
)


@app.task(name=TASK_NAME, ignore_result=True, acks_late=True)
def deliver(tag: str) -> None:
    """Deliver the message that the transport recorded under this tag."""
    if _runtime is not None:
        _runtime.deliver(tag)


@signals.setup_logging.connect(weak=False)
def _setup_logging(loglevel: int, **_: Any) -> None:
    logs.configure(level=loglevel)


@signals.celeryd_after_setup.connect(weak=False)
def _start(instance: Any, **_: Any) -> None:
    global _runtime
    if not settings.has_credentials:
        raise SystemExit(f"gong-views: no credentials: {HOW_TO_AUTHENTICATE}")
    try:
        if settings.redis_url is None:
            started = broker_options(EmbeddedServer(settings.data_dir).start())
            options = {**app.conf.broker_transport_options, **started["broker_transport_options"]}
            app.conf.update({**started, "broker_transport_options": options})
        services = open_services(settings)
        refuse_unfit(services.client)
        services.ledger.ping()
        reduce_panel()
        _runtime = Runtime(services, concurrency=instance.concurrency)
    except (GongViewsError, SchemaOutdated, LedgerUnavailable) as error:
        raise SystemExit(f"gong-views: {error}") from None
    wire(
        _runtime.messages,
        _runtime.consumer_pause,
        visibility_timeout_seconds=settings.visibility_timeout_seconds,
    )
    tracing.configure("gong-views-worker")
    _runtime.start()


@signals.worker_ready.connect(weak=False)
def _ready(**_: Any) -> None:
    _heed_signals()
    log.info("worker ready", extra={"action": "worker_ready", "pid": os.getpid()})


def _heed_signals() -> None:
    """Hangup and quit stop in order, as SIGTERM does, and SIGUSR1 does nothing.

    Celery would start itself anew at a hangup, end in a traceback at SIGQUIT (it cannot kill threads), and at SIGUSR1
    print the local variables of every thread: events and credentials.
    """
    stop = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGHUP, signal.SIG_IGN if _hangup_ignored else stop)
    signal.signal(signal.SIGQUIT, stop)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


@signals.worker_shutting_down.connect(weak=False)
def _stopping(**_: Any) -> None:
    if _runtime is not None:
        _runtime.stop.set()
        _runtime.messages.wake.up()


@signals.worker_shutdown.connect(weak=False)
def _stopped(**_: Any) -> None:
    if _runtime is not None:
        _runtime.close()
        tracing.close()
        log.info("worker stopped", extra={"action": "worker_stopped", "pid": os.getpid()})
