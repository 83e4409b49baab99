"""The messages that one worker process has popped and not ended, and the pops that are on their way."""

import threading
from dataclasses import dataclass, replace
from datetime import datetime

from gong_views.message import Envelope
from gong_views.names import Lane


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

    def counted_in(self) -> "ReceivedMessage":
        """The same, counted in at the moment it was popped."""
        return replace(self, envelope=replace(self.envelope, counted=True, enqueued_at=self.received_at))


@dataclass(frozen=True, slots=True)
class _Pop:
    """A pop without its answer: whether it may bring a bulk message, and the message whose place that would take."""

    bulk: bool
    instead_of: str | None


class InHand:
    """Thread-safe. A pop belongs to the thread that asked for it, which has one at a time."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._messages: dict[str, ReceivedMessage] = {}
        self._pops: dict[int, _Pop] = {}

    def put(self, received: ReceivedMessage) -> None:
        """It is in hand from now on; also what this thread's pop has brought, or as it is after a change."""
        with self._lock:
            self._pops.pop(threading.get_ident(), None)
            self._messages[received.tag] = received

    def get(self, tag: str) -> ReceivedMessage | None:
        """The message under a tag, if there is one."""
        with self._lock:
            return self._messages.get(tag)

    def remove(self, tag: str) -> None:
        """Redis has its end."""
        with self._lock:
            self._messages.pop(tag, None)

    def all(self) -> list[ReceivedMessage]:
        """Every one of them."""
        with self._lock:
            return list(self._messages.values())

    def pop_began(self) -> bool:
        """This thread, which ends none, asks for a message; whether a bulk one may be it."""
        with self._lock:
            return self._pop(None)

    def pop_instead_of(self, tag: str) -> bool | None:
        """As `pop_began`, with the end of the message under `tag`. None: do not, another one waits for a thread."""
        with self._lock:
            expected = len(self._messages) - 1 + sum(pop.instead_of is None for pop in self._pops.values())
            if expected >= self._concurrency:
                return None
            return self._pop(tag)

    def pop_ended(self) -> None:
        """This thread's pop was answered with nothing, or will never be answered."""
        with self._lock:
            self._pops.pop(threading.get_ident(), None)

    def _pop(self, instead_of: str | None) -> bool:
        self._pops.pop(threading.get_ident(), None)
        # One slot of the pool stays free for a live event, or a full bulk backlog would make it wait.
        leaving = {pop.instead_of for pop in self._pops.values()} | {instead_of}
        held = sum(
            received.lane is Lane.BULK for tag, received in self._messages.items() if tag not in leaving
        )
        coming = sum(pop.bulk for pop in self._pops.values())
        bulk = held + coming < max(1, self._concurrency - 1)
        self._pops[threading.get_ident()] = _Pop(bulk, instead_of)
        return bulk
