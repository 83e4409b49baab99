"""Erasing a person from what waits in the queue, message by message, while producers and workers go on.

Each message is taken like a worker takes it, in one step from where it was seen, so nobody else has it from then on. It
ends in the ledger, as a dead letter that is discarded and empty, and only then leaves Redis: a crash in between puts it
back into its lane, as a worker's does, and the reconciliation adds up throughout.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from gong_views import EventKey, InvalidViewEvent, ViewEvent
from gong_worker.domain.person import Person
from gong_worker.event_facts import event_facts, readable_facts
from gong_worker.ledger import AlreadyHandled, Busy, Claimed, EventFacts, MessageRef
from gong_worker.operations.person_data import in_hand_of, put_off_of, waiting_of
from gong_worker.operations.services import Services
from gong_worker.operations.unreadable import take_unreadable
from gong_worker.queue.clock import SharedClock
from gong_worker.queue.in_hand import ReceivedMessage
from gong_worker.queue.messages import Messages
from gong_worker.queue.waiting import Waiting, take

# One look may miss a message that is put back while it is read, and one that waits behind another of its event.
LOOKS = 8
BUSY_SECONDS = 1.0


@dataclass
class QueueErasure:
    """What became of the person's messages. `repeats` brought an event that had ended before.

    left: those that workers have in hand, or whose event another message has; at least one when the looks were at an
    end before the messages.
    """

    erased: int = 0
    repeats: int = 0
    left: int = 0

    @property
    def ended(self) -> int:
        """Messages that are gone from the queue."""
        return self.erased + self.repeats


def erase_waiting(services: Services, person: Person, *, by: str) -> QueueErasure:
    """Look through the queue until a look finds nothing more to end. Raises RedisError, LedgerUnavailable."""
    eraser = _Eraser(services, person, by)
    for _ in range(LOOKS):
        if not eraser.look():
            break
    else:
        eraser.found.left = max(eraser.found.left, 1)
    # What nobody could read becomes a dead letter, to be erased with the others.
    while take_unreadable(services.client, services.ledger):
        pass
    return eraser.found


class _Eraser:
    def __init__(self, services: Services, person: Person, by: str) -> None:
        self.found = QueueErasure()
        self._services = services
        self._person = person
        self._by = by
        self._messages = Messages(services.client, concurrency=1)
        self._now = SharedClock(services.client).now
        self._lease_seconds = services.settings.visibility_timeout_seconds
        self._busy: set[str] = set()

    def look(self) -> bool:
        """End what is seen; whether there may be more. Messages go from a lane to a hand, and from there are put off.

        Whoever reads these places in this order meets each on its way.
        """
        self._busy.clear()
        before = self.found.ended
        all_taken = self._end_each(waiting_of(self._services, self._person))
        in_hand = sum(1 for _ in in_hand_of(self._services, self._person))
        all_taken &= self._end_each(put_off_of(self._services, self._person))
        self.found.left = in_hand + len(self._busy)
        return self.found.ended > before or not all_taken

    def _end_each(self, messages: Iterable[Waiting]) -> bool:
        """Whether none has moved on between being seen and being taken."""
        all_taken = True
        for seen in messages:
            tag = self._messages.new_tag()
            if not take(self._services.client, seen, tag):
                all_taken = False
                continue
            received = self._messages.receive(tag, (seen.queue, seen.raw))
            if received is None:
                continue  # nobody can read it: in quarantine now
            if (adopted := self._messages.adopt(received)) is None:
                self._later(received, BUSY_SECONDS)
            else:
                self._end(adopted)
        return all_taken

    def _end(self, received: ReceivedMessage) -> None:
        envelope = received.envelope
        message = MessageRef(
            envelope.message_id, received.lane, received.enqueued_at, envelope.replay_of, envelope.source
        )
        found = self._facts(received)
        if found is None:
            self._services.ledger.erase_message(message, by=self._by, now=self._now())
            self.found.erased += 1
            self._messages.acknowledge(received)
            return
        key, facts = found
        ledger = self._services.ledger
        match ledger.claim(key, message, facts, now=self._now(), lease_seconds=self._lease_seconds):
            case AlreadyHandled():
                self.found.repeats += 1
                self._messages.acknowledge(received)
            case Claimed(claim) if ledger.erase_claimed(claim, by=self._by, now=self._now()):
                self.found.erased += 1
                self._messages.acknowledge(received)
            case Busy(until):
                wait = until - self._now() - timedelta(seconds=self._lease_seconds)
                self._later(received, max(wait.total_seconds(), BUSY_SECONDS))
            case _:  # claimed, and lost again
                self._later(received, BUSY_SECONDS)

    def _later(self, received: ReceivedMessage, seconds: float) -> None:
        self._busy.add(received.envelope.message_id)
        self._messages.retry_later(received, seconds)

    def _facts(self, received: ReceivedMessage) -> tuple[EventKey, EventFacts] | None:
        hash_key = self._services.ledger.hash_key()
        try:
            event = ViewEvent.parse(received.envelope.event)
        except InvalidViewEvent:
            return readable_facts(received.envelope.event, received.enqueued_at, hash_key)
        return event.key, event_facts(event, event.wire(), hash_key)
