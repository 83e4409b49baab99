"""From what a request holds to the queue: validate, enqueue what is valid, tell what became of each event."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gong_views.aio import AsyncViewQueue
from gong_views.errors import InvalidViewEvent, QueueUnavailable
from gong_views.event import ViewEvent
from gong_views.names import Lane
from gong_views.validation_errors import WHOLE_EVENT
from gong_worker.web.body import BadLine, Candidate
from gong_worker.web.keys import ApiKey
from gong_worker.web.models import AcceptedEvent, FieldError, RejectedEvent

MAX_ERRORS: Final = 2_000
"""Errors told in one answer; past them, one of each event."""
NOT_ITS_SYSTEM: Final = "this API key may not send events of this reporting system"


@dataclass(slots=True)
class Enqueued:
    """What became of the events of one request, each by its place in it."""

    accepted: list[AcceptedEvent] = field(default_factory=list)
    rejected: list[RejectedEvent] = field(default_factory=list)
    unavailable: QueueUnavailable | None = None
    """The queue went away: what is in neither list may be in or not."""


@dataclass(slots=True)
class Checked:
    """The valid events of a request with their places in it, and the errors of the others."""

    places: list[int] = field(default_factory=list)
    events: list[ViewEvent] = field(default_factory=list)
    rejected: list[RejectedEvent] = field(default_factory=list)


def check(candidates: Sequence[Candidate], key: ApiKey) -> Checked:
    """Validate each event, and that the key may send it. Takes its time: for a thread, not for the event loop."""
    checked = Checked()
    errors = 0
    for place, candidate in enumerate(candidates):
        try:
            event = _valid(candidate, key)
        except InvalidViewEvent as error:
            errors += len(error.errors)
            told = error.errors if errors <= MAX_ERRORS else error.errors[:1]
            checked.rejected.append(_rejected(place, told))
        else:
            checked.places.append(place)
            checked.events.append(event)
    return checked


class Enqueuer:
    """Puts checked events on the queue, of a bounded number of requests at once."""

    def __init__(self, at_once: int) -> None:
        self._slots = asyncio.Semaphore(at_once)

    async def enqueue(
        self, checked: Checked, queue: AsyncViewQueue, lane: Lane, *, deadline: float
    ) -> Enqueued:
        """Enqueue by `deadline` (the event loop's time), the wait for a slot included."""
        result = Enqueued(rejected=list(checked.rejected))
        try:
            async with asyncio.timeout_at(deadline):
                if checked.events:
                    async with self._slots:
                        await self._push(checked, queue, lane, result)
        except QueueUnavailable as error:
            result.unavailable = error
        except TimeoutError:
            result.unavailable = QueueUnavailable(
                "the queue did not take the events within the enqueue timeout"
            )
        result.rejected.sort(key=lambda rejected: rejected.index)
        return result

    async def _push(self, checked: Checked, queue: AsyncViewQueue, lane: Lane, result: Enqueued) -> None:
        places = checked.places
        async for part in queue.enqueue_batches(checked.events, lane):
            for index, receipt in part.accepted:
                result.accepted.append(
                    AcceptedEvent(index=places[index], eventId=receipt.event_id, messageId=receipt.message_id)
                )
            result.rejected += (_rejected(places[index], errors) for index, errors in part.rejected)


def _valid(candidate: Candidate, key: ApiKey) -> ViewEvent:
    if isinstance(candidate, BadLine):
        raise InvalidViewEvent([{"field": WHOLE_EVENT, "message": str(candidate)}])
    event = ViewEvent.parse(candidate)
    if not key.may_use(event.reporting_system):
        raise InvalidViewEvent([{"field": "reportingSystem", "message": NOT_ITS_SYSTEM}])
    return event


def _rejected(place: int, errors: Iterable[Mapping[str, object]]) -> RejectedEvent:
    found = [FieldError(field=_sound(error["field"]), message=_sound(error["message"])) for error in errors]
    return RejectedEvent(index=place, errors=found)


def _sound(text: object) -> str:
    """The name of an unknown field is whatever was sent: it may be no valid Unicode."""
    return str(text).encode(errors="backslashreplace").decode()
