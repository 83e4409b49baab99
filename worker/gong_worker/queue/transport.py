"""Kombu's Redis transport, made durable: atomic pop and record, nothing lost or stuck when a side dies.

What stock kombu 5.7 does and this does not (tests/integration/transport/ shows each, stock next to ours):
BRPOP takes a message before it is recorded, so a worker killed in between takes it along; closing a channel
whose Redis is gone can raise and end the worker; an acknowledgement that fails keeps its prefetch slot for
ever. Here the pop is one script, closing never raises, and Celery's acknowledgement only frees the slot:
the message itself leaves Redis when the pipeline says so (`Messages`), never because a task returned.

Celery is handed the delivery tag alone. The event stays with `Messages`, so none of it can get into
Celery's logs, and no header of a foreign producer (eta, expires, callbacks) can make Celery drop a message.
"""

import json
import logging
from collections.abc import Sequence
from queue import Empty
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import redis
from kombu import __version__ as kombu_version
from kombu.transport import redis as stock
from kombu.transport.virtual import base as virtual

from gong_views.names import NEVER_KEY, TASK_NAME, Lane
from gong_views.redis_url import redis_options
from gong_worker.queue.consumer_pause import ConsumerPause
from gong_worker.queue.in_hand import ReceivedMessage
from gong_worker.queue.messages import Messages
from gong_worker.queue.refusals import FULL, refusal_code

log = logging.getLogger(__name__)

LANES = frozenset(lane.queue for lane in Lane)
# An idle worker blocks on the live lane this long before it looks at the others again.
BLOCK_SECONDS = 1
# One at its limit of bulk messages looks again so soon: blocking on the live lane tells it of no bulk one.
BULK_FULL_SECONDS = 0.1
# A full Redis refuses to block on the live lane (BLMOVE); its backlog is looked at so often instead.
REDIS_FULL_SECONDS = 0.2
# A Redis that refuses the pop itself is asked again after this long.
REFUSED_SECONDS = 1.0

for _owner, _names in {
    stock.Channel: ("_brpop_start", "_brpop_read", "_connparams", "close", "_do_restore_message"),
    stock.QoS: ("append", "ack", "reject", "restore_unacked", "restore_visible"),
    stock.Transport: ("register_with_event_loop",),
    stock.MultiChannelPoller: ("on_poll_start", "maybe_restore_messages"),
}.items():
    for _name in _names:
        if not hasattr(_owner, _name):
            raise ImportError(
                f"kombu {kombu_version} has no {_owner.__name__}.{_name}, which this transport overrides: "
                "install kombu>=5.7,<5.8"
            )

_wired: tuple[Messages, ConsumerPause, float] | None = None


def wire(messages: Messages, consumer_pause: ConsumerPause, *, visibility_timeout_seconds: float) -> None:
    """Give the transport the process's `Messages`; kombu makes transports by name, so it cannot be passed in."""
    global _wired
    _wired = messages, consumer_pause, visibility_timeout_seconds


def wired() -> tuple[Messages, ConsumerPause, float]:
    """What `wire` was given; RuntimeError before it."""
    if _wired is None:
        raise RuntimeError("the transport is not wired: start the worker with `gong-views worker`")
    return _wired


def broker_options(redis_url: str) -> dict[str, Any]:
    """Celery's settings for the queue at a REDIS_URL.

    The channel connects by the URL in the transport's options, read by `redis_options`, so that the worker and
    every other part of the program understand one URL alike; kombu's reading differs for sockets and TLS.
    `broker_url` is what kombu shows of it, without user and password.
    """
    parts = urlsplit(redis_url)
    by_host = parts.scheme in ("redis", "rediss")
    place = parts.netloc.rpartition("@")[2] + parts.path if by_host else parts.scheme.replace("+", "-")
    return {"broker_url": f"redis://{place}", "broker_transport_options": {"redis_url": redis_url}}


class DurableQoS(stock.QoS):
    """Counts Celery's prefetch slots; what is recorded in Redis is the business of `Messages`."""

    restore_at_shutdown = False

    def append(self, message: Any, delivery_tag: str) -> None:
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        virtual.QoS.ack(self, delivery_tag)
        wired()[0].wake.up()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        # Only Celery itself would reject, before the pipeline has seen the message: requeue it.
        log.error("rejected by Celery", extra={"action": "celery_rejected", "delivery_tag": delivery_tag})
        messages = wired()[0]
        delivery = messages.get(delivery_tag)
        if delivery is not None:
            messages.requeue(delivery)
        self.ack(delivery_tag)

    def restore_unacked(self, client: Any = None) -> list[Any]:
        self._delivered.clear()
        return []

    def restore_visible(self, start: int = 0, num: int = 10, interval: int = 10) -> None:
        messages, _, visibility_timeout_seconds = wired()
        try:
            restored = messages.restore(visibility_timeout_seconds)
        except redis.ResponseError as error:
            messages.refusals.refused(error)
            return
        if restored:
            messages.wake.up()


class DurableChannel(stock.Channel):
    """Pops through the script of `Messages`; blocks, when there is nothing, without taking anything."""

    QoS = DurableQoS
    _command = ""  # what the polled connection was last asked: EVALSHA, BLMOVE or XREAD
    _tag = ""
    _bulk_full = False

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """What kombu makes of its options, connecting as redis-py reads the queue's URL."""
        read = redis_options(self.connection.client.transport_options["redis_url"])
        self.connection_class = read.pop("connection_class")
        params: dict[str, Any] = super()._connparams(asynchronous)
        for name in ("host", "port", "username", "password"):
            params.pop(name)
        if "path" in read:
            params = self._filter_tcp_connparams(**params)
        return {**params, **read}

    def _brpop_start(self, timeout: float | None = None) -> None:
        if not LANES.intersection(self.active_queues):
            # A channel of Celery's own, such as the one on which mingle awaits its replies.
            self._command = "BRPOP"
            super()._brpop_start(timeout)
            return
        messages, consumer_pause, _ = wired()
        if consumer_pause.paused:
            return
        self._tag = messages.new_tag()
        arguments = messages.pop_arguments(self._tag, self.active_queues)
        self._bulk_full = Lane.BULK.queue in self.active_queues and not arguments[-1]
        self._ask("EVALSHA", *arguments)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        # Kombu notes each binding in Redis for producers that publish through an exchange. Nobody finds our
        # lanes that way, and a Redis that refuses the note must not keep a worker from starting.
        if queue in LANES:
            return
        try:
            super()._queue_bind(exchange, routing_key, pattern, queue)
        except redis.ResponseError as error:
            wired()[0].refusals.refused(error)

    def _ask(self, command: str, *arguments: Any) -> None:
        self._command = command
        self._in_poll = self.client.connection
        self._brpop_sent_at: Any = monotonic()
        self.client.connection.send_command(command, *arguments)

    def _rest(self, seconds: float) -> None:
        self._ask("XREAD", "BLOCK", round(seconds * 1000), "STREAMS", NEVER_KEY, "$")

    def _brpop_read(self, **options: Any) -> bool:
        command, connection = self._command, self.client.connection
        refused: redis.ResponseError | None = None
        if command == "BRPOP":
            return bool(super()._brpop_read(**options))
        try:
            # Without the command's name: redis-py would parse the reply of an XREAD.
            reply = self.client.parse_response(connection, "", **options)
        except redis.exceptions.NoScriptError:
            wired()[0].load_pop()
            raise Empty from None
        except redis.ResponseError as error:
            refused = error
        except self.connection_errors:
            connection.disconnect()
            raise
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        if refused is not None:
            wired()[0].refusals.refused(refused)
            full = command == "BLMOVE" and refusal_code(refused) == FULL
            self._rest(REDIS_FULL_SECONDS if full else REFUSED_SECONDS)
            raise Empty
        if command == "EVALSHA" and reply is None:
            wired()[0].in_hand.pop_ended()
        if command in ("BLMOVE", "XREAD") or (reply is None and wired()[1].paused):
            raise Empty
        if reply is None:
            # Moving the tail of the live lane onto itself changes nothing: it only waits for there to be one.
            live = Lane.LIVE.queue
            seconds = BULK_FULL_SECONDS if self._bulk_full else BLOCK_SECONDS
            self._ask("BLMOVE", live, live, "RIGHT", "RIGHT", seconds)
            raise Empty
        received = wired()[0].receive(self._tag, reply)
        if received is not None:
            self._hand_over(received)
        return True

    def _hand_over(self, received: ReceivedMessage) -> None:
        queue = received.lane.queue
        message = {
            "body": json.dumps([[received.tag], {}, {}]),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": {
                "lang": "py",
                "task": TASK_NAME,
                "id": received.envelope.message_id,
                "argsrepr": "-",
                "kwargsrepr": "-",
            },
            "properties": {
                "delivery_tag": received.tag,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "body_encoding": None,
            },
        }
        self.connection._deliver(message, queue)  # noqa: SLF001 - kombu's own way from a channel to its consumer

    def _do_restore_message(self, *_: Any, **__: Any) -> None:
        """Never used here: `Messages` restores, and stock would log the payload on a failure."""

    def close(self) -> None:
        # A pop whose answer is not read yet may have taken a message: it is recorded under its tag, so it is
        # given back here, and at the latest after the visibility timeout.
        if self._in_poll:
            connection: Any = self._in_poll
            self._in_poll: Any = None
            try:
                if self._command == "EVALSHA" and connection.can_read(timeout=0.5):
                    reply = self.client.parse_response(connection, "EVALSHA")
                    if reply is not None:
                        self._return(reply)
            except Exception:
                log.info("closed with a pop in flight", extra={"action": "close_in_flight"})
            finally:
                connection.disconnect()
        try:
            super().close()
        except (AttributeError, *self.connection_errors):
            # Redis is gone, and stock stumbles over what is half closed; there is nothing left to close.
            log.info("channel closed without its Redis", extra={"action": "close_failed"}, exc_info=True)

    def _return(self, reply: Sequence[bytes | str]) -> None:
        messages = wired()[0]
        received = messages.receive(self._tag, reply)
        if received is not None:
            messages.requeue(received)


class DurableTransport(stock.Transport):
    """The transport the worker's Celery app uses (`broker_transport`)."""

    Channel = DurableChannel

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        super().register_with_event_loop(connection, loop)
        wake = wired()[0].wake
        loop.add_reader(wake.reader, wake.drain)
