"""From what a request holds to the queue: validate, enqueue what is valid, tell what became of each event."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gong_views.errors import InvalidViewEvent, QueueUnavailable
from gong_views.event import ViewEvent
from gong_views.names import Lane
from gong_views.queue import ViewQueue
from gong_views.validation_errors import WHOLE_EVENT
from gong_worker.web.answers import AcceptedEvent, FieldError, RejectedEvent
from gong_worker.web.body import BadLine, Candidate


@dataclass(slots=True)
class Intake:
    """What became of the events of one request, each by its place in it."""

    accepted: list[AcceptedEvent] = field(default_factory=list)
    rejected: list[RejectedEvent] = field(default_factory=list)
    unavailable: QueueUnavailable | None = None
    """The queue went away: what is in neither list may be in or not."""


def take_in(candidates: Sequence[Candidate], queue: ViewQueue, lane: Lane) -> Intake:
    """Enqueue what is valid. Blocks: for a thread, not for the event loop."""
    intake = Intake()
    places: list[int] = []
    events: list[ViewEvent] = []
    for place, candidate in enumerate(candidates):
        try:
            event = _valid(candidate)
        except InvalidViewEvent as error:
            intake.rejected.append(_rejected(place, error.errors))
        else:
            places.append(place)
            events.append(event)
    try:
        for part in queue.enqueue_batches(events, lane):
            for index, receipt in part.accepted:
                intake.accepted.append(
                    AcceptedEvent(index=places[index], eventId=receipt.event_id, messageId=receipt.message_id)
                )
            intake.rejected += (_rejected(places[index], errors) for index, errors in part.rejected)
    except QueueUnavailable as error:
        intake.unavailable = error
    intake.rejected.sort(key=lambda rejected: rejected.index)
    return intake


def _valid(candidate: Candidate) -> ViewEvent:
    if isinstance(candidate, BadLine):
        raise InvalidViewEvent([{"field": WHOLE_EVENT, "message": str(candidate)}])
    return ViewEvent.parse(candidate)


def _rejected(place: int, errors: Iterable[Mapping[str, object]]) -> RejectedEvent:
    found = [FieldError(field=_sound(error["field"]), message=_sound(error["message"])) for error in errors]
    return RejectedEvent(index=place, errors=found)


def _sound(text: object) -> str:
    """The name of an unknown field is whatever was sent: it may be no valid Unicode."""
    return str(text).encode(errors="backslashreplace").decode()
