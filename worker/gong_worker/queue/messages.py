"""Every operation on the queue's keys, each one atomic script; the only module that knows their layout.

A received message was popped under a delivery tag of its own. It stays in `gong-views.unacked` until the pipeline
ends it (acknowledge, retry_later, requeue, quarantine). The worker that has it renews its visibility timeout; when
that runs out without a renewal the message is requeued for another worker.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, cast

import redis

from gong_views.message import Envelope, UnreadableMessage, counted_in, parse
from gong_views.names import (
    CLOCK_KEY,
    DELAYED_KEY,
    DELAYED_MESSAGES_KEY,
    DROPPING_KEY,
    ENQUEUE_COUNTS_KEY,
    FAILURES_KEY,
    HELD_PARTS_KEY,
    UNACKED_INDEX_KEY,
    UNACKED_KEY,
    UNREADABLE_KEY,
    Lane,
)
from gong_worker.domain.parts import Part
from gong_worker.domain.policy import RetryPolicy
from gong_worker.packed_scripts import PackedScript
from gong_worker.queue.in_hand import InHand, ReceivedMessage
from gong_worker.queue.inspect import held_list
from gong_worker.queue.refusals import WriteRefusals
from gong_worker.queue.wake import Wake

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


def script(name: str) -> str:
    """The text of one of this package's scripts."""
    return files(__package__).joinpath("lua", f"{name}.lua").read_text()


@dataclass(frozen=True, slots=True)
class NextPop:
    """A pop that goes out with the end of another message."""

    tag: str
    command: bytes


class Messages:
    """The messages in hand of one worker process, over one Redis client."""

    def __init__(self, client: redis.Redis, *, concurrency: int) -> None:
        self.client = client
        self.wake = Wake()
        self._pop = client.register_script(script("pop"))
        self._finish = client.register_script(script("finish"))
        self._pop_packed = PackedScript(script("pop"), POP_KEYS, arguments=3)
        self._finish_packed = PackedScript(script("finish"), FINISH_KEYS, arguments=6)
        self._restore = client.register_script(script("restore"))
        self._adopt = client.register_script(script("adopt"))
        self._renew = client.register_script(script("renew"))
        self._set_aside = client.register_script(script("set_aside"))
        self._take_dropped = client.register_script(script("take_dropped"))
        self._lock = threading.Lock()
        self.in_hand = InHand(concurrency)
        self._queues: frozenset[str] = frozenset()
        self._deferred: list[Callable[[], object]] = []
        self.refusals = WriteRefusals()

    # -- receiving ---------------------------------------------------------------------------------------

    def pop_arguments(self, tag: str, queues: Collection[str]) -> list[Any]:
        """What EVALSHA takes to pop the next message of these queues, on a connection the event loop reads."""
        self._queues = frozenset(queues)
        return [self._pop.sha, len(POP_KEYS), *POP_KEYS, tag, *self._lanes(self.in_hand.pop_began())]

    def next_pop(self, received: ReceivedMessage) -> NextPop | None:
        """A pop to be sent with the end of a message, for the thread that ends it; then `received_next`.

        From the queues that the event loop asks, live first. None when a message in hand waits for a thread.
        """
        bulk = self.in_hand.pop_instead_of(received.tag)
        if bulk is None:
            return None
        tag = self.new_tag()
        return NextPop(tag, self._pop_packed.packed(tag, *self._lanes(bulk)))

    def _lanes(self, bulk: bool) -> tuple[int, int]:
        return int(Lane.LIVE.queue in self._queues), int(bulk and Lane.BULK.queue in self._queues)

    def load_pop(self) -> None:
        """Load the pop script again (a restarted Redis has forgotten it)."""
        self.client.script_load(script("pop"))

    def new_tag(self) -> str:
        """A delivery tag that nobody else has."""
        return uuid.uuid4().hex

    def track(self, tag: str, lane: Lane, envelope: Envelope) -> ReceivedMessage:
        """Note that this process now works on a popped message."""
        received = ReceivedMessage(tag, lane, envelope, datetime.now(UTC))
        self.in_hand.put(received)
        return received

    def receive(self, tag: str, reply: Sequence[bytes | str]) -> ReceivedMessage | None:
        """Track what a pop has brought; None for an unreadable message, which is quarantined."""
        queue, raw = reply
        try:
            envelope = parse(raw)
        except UnreadableMessage as error:
            self.in_hand.pop_ended()
            log.error("unreadable message quarantined", extra={"action": "unreadable", "why": str(error)})
            self.do_or_defer(lambda: self.quarantine(tag))
            return None
        return self.track(tag, Lane.of_queue(queue.decode() if isinstance(queue, bytes) else queue), envelope)

    def received_next(self, pop: NextPop, reply: object) -> ReceivedMessage | None:
        """What `next_pop` has brought, if anything: the reply, or the error that came instead of one."""
        match reply:
            case None | redis.ResponseError():
                self.in_hand.pop_ended()
                if isinstance(reply, redis.exceptions.NoScriptError):
                    self.do_or_defer(self.load_pop)
                elif reply is not None:
                    self.refusals.refused(reply)
                return None
            case redis.RedisError():
                # Whatever it took is given back as soon as Redis is back; if that overtakes the pop, after the
                # visibility timeout.
                self.in_hand.pop_ended()
                self._defer(
                    lambda: self._finish(keys=FINISH_KEYS, args=[pop.tag, "requeue", "0", "", "0", 0])
                )
                return None
            case _:
                return self.receive(pop.tag, cast(Sequence[bytes | str], reply))

    def get(self, tag: str) -> ReceivedMessage | None:
        """The message in hand under a tag, if there is one."""
        return self.in_hand.get(tag)

    def adopt(self, received: ReceivedMessage) -> ReceivedMessage | None:
        """Count in a message that no producer counted, and note when in the message itself.

        Before anything is recorded, so that it is counted on the day the ledger has it under, once, also when
        it is redelivered on another. None when that cannot be done now: requeue it.
        """
        if received.envelope.counted:
            return received
        adopted = received.counted_in()
        try:
            entry = cast(bytes | None, self.client.hget(UNACKED_KEY, received.tag))
            if entry is not None:
                queue, _, raw = entry.partition(b"\n")
                noted = queue + b"\n" + counted_in(raw, received.received_at)
                field = enqueue_count_field(received.lane, received.received_at)
                args: list[str | bytes] = [received.tag, entry, noted, field]
                if self._adopt(keys=[UNACKED_KEY, ENQUEUE_COUNTS_KEY], args=args):
                    self.in_hand.put(adopted)
                    return adopted
        except redis.RedisError as error:
            log.warning("not adopted", extra={"action": "adopt_failed", "error": type(error).__name__})
        return None

    # -- ending ------------------------------------------------------------------------------------------

    def acknowledge(self, received: ReceivedMessage) -> None:
        """The ledger has its end: the message may go."""
        self._end(received, "ack")

    def acknowledgement(self, received: ReceivedMessage) -> bytes:
        """`acknowledge` packed, to be sent together with other commands; then `acknowledged`."""
        return self._finish_packed.packed(*_finish_arguments(received, "ack"))

    def acknowledged(self, received: ReceivedMessage, reply: object) -> None:
        """The reply to it, or the error that came instead of one: then it is done again, now or when Redis is back."""
        match reply:
            case redis.ResponseError():
                self.acknowledge(received)
            case redis.RedisError():
                self._defer(lambda: self._finish_now(received, _finish_arguments(received, "ack")))
            case _:
                self.in_hand.remove(received.tag)

    def retry_later(self, received: ReceivedMessage, delay_seconds: float) -> None:
        """Acknowledge it and put it on the delayed set, in one step, until `delay_seconds` from now."""
        self._end(received, "retry_later", delay_seconds=max(0.0, delay_seconds))

    def requeue(self, received: ReceivedMessage) -> None:
        """Back to the head of its lane, at once."""
        self._end(received, "requeue")

    def set_aside(self, received: ReceivedMessage, part: Part) -> None:
        """Its part is held: into the part's own list, in one step, until the hold is over."""
        keys = [UNACKED_KEY, UNACKED_INDEX_KEY, HELD_PARTS_KEY, held_list(part.name)]

        def run() -> None:
            self._set_aside(keys=keys, args=[received.tag, part.name])
            self.in_hand.remove(received.tag)

        self.do_or_defer(run)

    def take_dropped(self) -> ReceivedMessage | None:
        """The next message that an operator has dropped; raises RedisError."""
        tag = self.new_tag()
        reply = self._take_dropped(keys=[DROPPING_KEY, UNACKED_KEY, UNACKED_INDEX_KEY], args=[tag])
        return None if reply is None else self.receive(tag, cast(Sequence[bytes | str], reply))

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
        arguments = _finish_arguments(received, verb, delay_seconds, limits)
        self.do_or_defer(lambda: self._finish_now(received, arguments))

    def _finish_now(self, received: ReceivedMessage, arguments: list[str | int]) -> None:
        self._finish(keys=FINISH_KEYS, args=arguments)
        self.in_hand.remove(received.tag)

    def quarantine(self, tag: str) -> None:
        """Move an unreadable message to `gong-views.unreadable`, from where the ledger takes it as a dead letter."""
        self._finish(keys=FINISH_KEYS, args=[tag, "quarantine", "0", "", "0", 0])

    def do_or_defer(self, action: Callable[[], object]) -> None:
        """Do something with Redis now, or as soon as Redis is back."""
        try:
            action()
        except redis.RedisError:
            self._defer(action)

    def _defer(self, action: Callable[[], object]) -> None:
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
        if tags := [received.tag for received in self.in_hand.all()]:
            self._renew(keys=[UNACKED_INDEX_KEY], args=tags)

    def restore(self, visibility_timeout_seconds: float) -> int:
        """Requeue the messages whose visibility timeout has run out; returns how many.

        Also sees to a clock of Redis that was set back; so it is called every few seconds.
        """
        restored = self._restore(
            keys=[UNACKED_KEY, UNACKED_INDEX_KEY, DELAYED_KEY, CLOCK_KEY],
            args=[visibility_timeout_seconds, RESTORE_AT_ONCE],
        )
        if restored:
            log.warning("restored", extra={"action": "restored", "count": int(restored)})
        return int(restored)

    def requeue_all(self) -> None:
        """Requeue every message in hand, at the end of the process. Raises redis.RedisError at the first failure."""
        for received in self.in_hand.all():
            self._finish_now(received, _finish_arguments(received, "requeue"))


def _finish_arguments(
    received: ReceivedMessage, verb: str, delay_seconds: float = 0.0, limits: tuple[str, int] = ("0", 0)
) -> list[str | int]:
    return [received.tag, verb, f"{delay_seconds:.3f}", received.envelope.message_id, *limits]


def enqueue_count_field(lane: Lane, at: datetime) -> str:
    """The field of `gong-views.intake` that counts a message of this lane and UTC day."""
    return f"{lane.value}|{at.astimezone(UTC):%Y-%m-%d}"
