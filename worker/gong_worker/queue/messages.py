"""Every operation on the queue's keys, each one atomic script; the only module that knows their layout.

A delivery is a message popped under a tag of its own. It stays in `gong-views.unacked` until the pipeline ends
it (acknowledge, park, give back, put aside); a worker that holds it renews its score, and one that shows no
sign of life for the visibility timeout loses it to the next.
"""

import logging
import os
import threading
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import redis

from gong_views.message import Envelope
from gong_views.names import (
    DELAYED_KEY,
    DELAYED_MESSAGES_KEY,
    INTAKE_KEY,
    UNACKED_INDEX_KEY,
    UNACKED_KEY,
    UNREADABLE_KEY,
    Lane,
)

log = logging.getLogger(__name__)

SETTLE_KEYS = [UNACKED_KEY, UNACKED_INDEX_KEY, DELAYED_KEY, DELAYED_MESSAGES_KEY, UNREADABLE_KEY, INTAKE_KEY]
POP_KEYS = [
    Lane.LIVE.queue, Lane.BULK.queue, UNACKED_KEY, UNACKED_INDEX_KEY, DELAYED_KEY, DELAYED_MESSAGES_KEY,
]  # fmt: skip
RESTORE_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message this worker holds: its tag, lane, and what it says."""

    tag: str
    lane: Lane
    envelope: Envelope
    received_at: datetime

    @property
    def enqueued_at(self) -> datetime:
        """When the producer put it on the queue; for one that does not say, when we first saw it."""
        return self.envelope.enqueued_at or self.received_at


class Wake:
    """A pipe that lets a thread end the event loop's sleep."""

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


class Mailroom:
    """The deliveries of one worker process, over one Redis client."""

    def __init__(self, client: redis.Redis, *, concurrency: int) -> None:
        self.client = client
        self.concurrency = concurrency
        self.wake = Wake()
        self._pop = client.register_script(script("pop"))
        self._settle = client.register_script(script("finish"))
        self._restore = client.register_script(script("restore"))
        self._renew = client.register_script(script("renew"))
        self._lock = threading.Lock()
        self._held: dict[str, Delivery] = {}
        self._owed: list[Callable[[], object]] = []

    # -- taking ------------------------------------------------------------------------------------------

    def pop_arguments(self, tag: str, queues: Collection[str]) -> list[Any]:
        """What EVALSHA takes to pop the next message of these queues, on a connection the event loop reads."""
        live = Lane.LIVE.queue in queues
        bulk = Lane.BULK.queue in queues and self._bulk_allowed()
        return [self._pop.sha, len(POP_KEYS), *POP_KEYS, tag, int(live), int(bulk)]

    def load_pop(self) -> None:
        """Load the pop script again (a restarted Redis has forgotten it)."""
        self.client.script_load(script("pop"))

    def new_tag(self) -> str:
        """A delivery tag nobody else has."""
        return uuid.uuid4().hex

    def hold(self, tag: str, lane: Lane, envelope: Envelope) -> Delivery:
        """Note that this process now works on a popped message."""
        delivery = Delivery(tag, lane, envelope, datetime.now(UTC))
        with self._lock:
            self._held[tag] = delivery
        return delivery

    def held(self, tag: str) -> Delivery | None:
        """The delivery of a tag that this process holds."""
        with self._lock:
            return self._held.get(tag)

    def _bulk_allowed(self) -> bool:
        # One slot of the pool stays free for a live event, or a full bulk backlog would make it wait.
        with self._lock:
            bulk = sum(delivery.lane is Lane.BULK for delivery in self._held.values())
        return bulk < max(1, self.concurrency - 1)

    # -- ending ------------------------------------------------------------------------------------------

    def acknowledge(self, delivery: Delivery) -> None:
        """The ledger has its end: the message may go."""
        field = ""
        if not delivery.envelope.counted:  # a stock producer's: count it in when it goes out
            field = intake_field(delivery.lane, delivery.enqueued_at)
        self._end(delivery, "ack", field=field)

    def park(self, delivery: Delivery, delay_seconds: float) -> None:
        """Acknowledge it and put it on the delayed set, in one step, until `delay_seconds` from now."""
        self._end(delivery, "park", delay_seconds=max(0.0, delay_seconds))

    def give_back(self, delivery: Delivery) -> None:
        """Back to the head of its lane, at once."""
        self._end(delivery, "give_back")

    def _end(self, delivery: Delivery, verb: str, *, delay_seconds: float = 0.0, field: str = "") -> None:
        def run() -> None:
            self._settle(keys=SETTLE_KEYS, args=[delivery.tag, verb, f"{delay_seconds:.3f}", field])
            with self._lock:
                self._held.pop(delivery.tag, None)

        self.owe(run)

    def aside(self, tag: str) -> None:
        """Move an unreadable message out of the way, for the ledger to take as a dead letter."""
        self._settle(keys=SETTLE_KEYS, args=[tag, "aside", "0", ""])

    def owe(self, action: Callable[[], object]) -> None:
        """Do something with Redis now, or as soon as Redis is back."""
        try:
            action()
        except redis.RedisError:
            with self._lock:
                self._owed.append(action)

    def pay(self) -> None:
        """Do what is owed, in its order; raises redis.RedisError while Redis is away."""
        while True:
            with self._lock:
                if not self._owed:
                    return
                action = self._owed[0]
            action()
            with self._lock:
                # Two threads may pay at once (at the end of the process): each action is repeatable, but an
                # unpaid one must not be struck off for a paid one.
                if self._owed and self._owed[0] is action:
                    self._owed.pop(0)

    # -- housekeeping ------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Show a sign of life for everything this process holds."""
        with self._lock:
            tags = list(self._held)
        if tags:
            self._renew(keys=[UNACKED_INDEX_KEY], args=tags)

    def restore(self, visibility_timeout_seconds: float) -> int:
        """Put back what a dead worker held; returns how many."""
        restored = self._restore(
            keys=[UNACKED_KEY, UNACKED_INDEX_KEY], args=[visibility_timeout_seconds, RESTORE_AT_ONCE]
        )
        if restored:
            log.warning("restored", extra={"action": "restored", "count": int(restored)})
        return int(restored)

    def give_back_all(self) -> None:
        """At the end of the process: whatever it still holds goes back."""
        with self._lock:
            left = list(self._held.values())
        for delivery in left:
            self.give_back(delivery)


def intake_field(lane: Lane, at: datetime) -> str:
    """The field of `gong-views.intake` that counts a message of this lane and UTC day."""
    return f"{lane.value}|{at.astimezone(UTC):%Y-%m-%d}"
