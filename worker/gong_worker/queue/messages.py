"""Every operation on the queue's keys, each one atomic script; the only module that knows their layout.

A received message was popped under a delivery tag of its own. It stays in `gong-views.unacked` until the pipeline
ends it (acknowledge, retry_later, requeue, quarantine). The worker that has it renews its visibility timeout; when
that runs out without a renewal the message is requeued for another worker.
"""

import logging
import os
import threading
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, cast

import redis

from gong_views.message import Envelope, counted_in
from gong_views.names import (
    DELAYED_KEY,
    DELAYED_MESSAGES_KEY,
    ENQUEUE_COUNTS_KEY,
    FAILURES_KEY,
    UNACKED_INDEX_KEY,
    UNACKED_KEY,
    UNREADABLE_KEY,
    Lane,
)
from gong_worker.domain.policy import RetryPolicy
from gong_worker.queue.refusals import WriteRefusals

log = logging.getLogger(__name__)

FINISH_KEYS = [
    UNACKED_KEY,
    UNACKED_INDEX_KEY,
    DELAYED_KEY,
    DELAYED_MESSAGES_KEY,
    UNREADABLE_KEY,
    FAILURES_KEY,
]
POP_KEYS = [
    Lane.LIVE.queue, Lane.BULK.queue, UNACKED_KEY, UNACKED_INDEX_KEY, DELAYED_KEY, DELAYED_MESSAGES_KEY,
]  # fmt: skip
RESTORE_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message that this worker has popped and not ended yet."""

    tag: str
    lane: Lane
    envelope: Envelope
    received_at: datetime

    @property
    def enqueued_at(self) -> datetime:
        """When the producer put it on the queue; for one that does not say, when it was popped."""
        return self.envelope.enqueued_at or self.received_at


class Wake:
    """A pipe by which any thread wakes the event loop."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)

    def up(self) -> None:
        """Wake the loop; safe from any thread."""
        with suppress(BlockingIOError):  # it has not read the last ones yet: it will wake anyway
            os.write(self._writer, b"!")

    def drain(self, *_: Any) -> None:
        """Called by the loop when the pipe is readable."""
        try:
            while os.read(self.reader, 1024):
                pass
        except BlockingIOError:
            pass


def script(name: str) -> str:
    """The text of one of this package's scripts."""
    return files(__package__).joinpath("lua", f"{name}.lua").read_text()


class Messages:
    """The messages in hand of one worker process, over one Redis client."""

    def __init__(self, client: redis.Redis, *, concurrency: int) -> None:
        self.client = client
        self.concurrency = concurrency
        self.wake = Wake()
        self._pop = client.register_script(script("pop"))
        self._finish = client.register_script(script("finish"))
        self._restore = client.register_script(script("restore"))
        self._adopt = client.register_script(script("adopt"))
        self._renew = client.register_script(script("renew"))
        self._lock = threading.Lock()
        self._in_hand: dict[str, ReceivedMessage] = {}
        self._deferred: list[Callable[[], object]] = []
        self.refusals = WriteRefusals()

    # -- receiving ---------------------------------------------------------------------------------------

    def pop_arguments(self, tag: str, queues: Collection[str]) -> list[Any]:
        """What EVALSHA takes to pop the next message of these queues, on a connection the event loop reads."""
        live = Lane.LIVE.queue in queues
        bulk = Lane.BULK.queue in queues and self._bulk_allowed()
        return [self._pop.sha, len(POP_KEYS), *POP_KEYS, tag, int(live), int(bulk)]

    def load_pop(self) -> None:
        """Load the pop script again (a restarted Redis has forgotten it)."""
        self.client.script_load(script("pop"))

    def new_tag(self) -> str:
        """A delivery tag that nobody else has."""
        return uuid.uuid4().hex

    def track(self, tag: str, lane: Lane, envelope: Envelope) -> ReceivedMessage:
        """Note that this process now works on a popped message."""
        received = ReceivedMessage(tag, lane, envelope, datetime.now(UTC))
        with self._lock:
            self._in_hand[tag] = received
        return received

    def get(self, tag: str) -> ReceivedMessage | None:
        """The message in hand under a tag, if there is one."""
        with self._lock:
            return self._in_hand.get(tag)

    def adopt(self, received: ReceivedMessage) -> ReceivedMessage | None:
        """Count in a message that no producer counted, and note when in the message itself.

        Before anything is recorded, so that it is counted on the day the ledger has it under, once, also when
        it is redelivered on another. None when that cannot be done now: the message is requeued.
        """
        if received.envelope.counted:
            return received
        at = received.received_at
        adopted = replace(received, envelope=replace(received.envelope, counted=True, enqueued_at=at))
        try:
            entry = cast(bytes | None, self.client.hget(UNACKED_KEY, received.tag))
            if entry is not None:
                queue, _, raw = entry.partition(b"\n")
                noted = queue + b"\n" + counted_in(raw, at)
                field = enqueue_count_field(received.lane, at)
                args: list[str | bytes] = [received.tag, entry, noted, field]
                if self._adopt(keys=[UNACKED_KEY, ENQUEUE_COUNTS_KEY], args=args):
                    with self._lock:
                        self._in_hand[received.tag] = adopted
                    return adopted
        except redis.RedisError as error:
            log.warning("not adopted", extra={"action": "adopt_failed", "error": type(error).__name__})
        self.requeue(received)
        return None

    def in_hand(self) -> int:
        """How many messages this process has popped and not ended yet."""
        with self._lock:
            return len(self._in_hand)

    def _bulk_allowed(self) -> bool:
        # One slot of the pool stays free for a live event, or a full bulk backlog would make it wait.
        with self._lock:
            bulk = sum(received.lane is Lane.BULK for received in self._in_hand.values())
        return bulk < max(1, self.concurrency - 1)

    # -- ending ------------------------------------------------------------------------------------------

    def acknowledge(self, received: ReceivedMessage) -> None:
        """The ledger has its end: the message may go."""
        self._end(received, "ack")

    def retry_later(self, received: ReceivedMessage, delay_seconds: float) -> None:
        """Acknowledge it and put it on the delayed set, in one step, until `delay_seconds` from now."""
        self._end(received, "retry_later", delay_seconds=max(0.0, delay_seconds))

    def requeue(self, received: ReceivedMessage) -> None:
        """Back to the head of its lane, at once."""
        self._end(received, "requeue")

    def fail(self, received: ReceivedMessage, policy: RetryPolicy) -> None:
        """Its delivery failed unexpectedly: retry it with backoff, and quarantine it after `max_attempts` times."""
        limits = (f"{policy.max_seconds:.3f}", policy.max_attempts)
        self._end(received, "fail", delay_seconds=policy.base_seconds, limits=limits)

    def _end(
        self,
        received: ReceivedMessage,
        verb: str,
        *,
        delay_seconds: float = 0.0,
        limits: tuple[str, int] = ("0", 0),
    ) -> None:
        message_id = received.envelope.message_id
        arguments: list[str | int] = [received.tag, verb, f"{delay_seconds:.3f}", message_id, *limits]

        def run() -> None:
            self._finish(keys=FINISH_KEYS, args=arguments)
            with self._lock:
                self._in_hand.pop(received.tag, None)

        self.do_or_defer(run)

    def quarantine(self, tag: str) -> None:
        """Move an unreadable message to `gong-views.unreadable`, from where the ledger takes it as a dead letter."""
        self._finish(keys=FINISH_KEYS, args=[tag, "quarantine", "0", "", "0", 0])

    def do_or_defer(self, action: Callable[[], object]) -> None:
        """Do something with Redis now, or as soon as Redis is back."""
        try:
            action()
        except redis.RedisError:
            with self._lock:
                self._deferred.append(action)

    def run_deferred(self) -> None:
        """Run the deferred actions, in their order; raises redis.RedisError while Redis is away."""
        while True:
            with self._lock:
                if not self._deferred:
                    return
                action = self._deferred[0]
            action()
            with self._lock:
                # Two threads may run this at once (at the end of the process). Each action is repeatable; only
                # the one that was run is taken off.
                if self._deferred and self._deferred[0] is action:
                    self._deferred.pop(0)

    # -- maintenance ----------------------------------------------------------------------------------

    def renew(self) -> None:
        """Renew the visibility timeout of every message in hand."""
        with self._lock:
            tags = list(self._in_hand)
        if tags:
            self._renew(keys=[UNACKED_INDEX_KEY], args=tags)

    def restore(self, visibility_timeout_seconds: float) -> int:
        """Requeue the messages whose visibility timeout has run out; returns how many."""
        restored = self._restore(
            keys=[UNACKED_KEY, UNACKED_INDEX_KEY], args=[visibility_timeout_seconds, RESTORE_AT_ONCE]
        )
        if restored:
            log.warning("restored", extra={"action": "restored", "count": int(restored)})
        return int(restored)

    def requeue_all(self) -> None:
        """Requeue every message in hand, at the end of the process."""
        with self._lock:
            left = list(self._in_hand.values())
        for received in left:
            self.requeue(received)


def enqueue_count_field(lane: Lane, at: datetime) -> str:
    """The field of `gong-views.intake` that counts a message of this lane and UTC day."""
    return f"{lane.value}|{at.astimezone(UTC):%Y-%m-%d}"
