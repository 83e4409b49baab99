"""What happened to one event, in order."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from gong_views.names import Lane
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import DeadLetterReason, DeadLetterResolution, Resolution, Status
from gong_worker.ledger import EventReport, LetterReport


class Step(StrEnum):
    """What can happen to an event, as its timeline tells it."""

    ENQUEUED = "enqueued"  # a message that carries it went onto the queue
    CLAIMED = "claimed"  # a worker took it up for the first time
    ATTEMPT = "attempt"  # a call; without an outcome it is under way
    DEAD_LETTER = "dead_letter"
    REPLAYED = "replayed"  # an operator put it on the queue again
    EDITED = "edited"  # the same, with another payload
    DISCARDED = "discarded"  # an operator let the letter go
    SUPERSEDED = "superseded"  # the letter's event was delivered by another message
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """One step. `waited_seconds`: of an attempt, since the attempt before it ended, or since the enqueue."""

    at: datetime
    step: Step
    waited_seconds: float | None = None
    attempt_number: int | None = None
    outcome: AttemptOutcome | None = None
    http_status: int | None = None
    duration_ms: int | None = None
    error: str | None = None
    request_id: str | None = None
    resolution: Resolution | None = None
    message_id: str | None = None
    lane: Lane | None = None
    source: str | None = None
    dead_letter_id: int | None = None
    reason: DeadLetterReason | None = None
    by: str | None = None


def timeline(event: EventReport, letters: list[LetterReport]) -> list[TimelineStep]:
    """The steps of an event, the earliest first. Of messages that brought it again only the last one is told."""
    enqueued = _messages(event, letters)
    steps = [*enqueued, *_attempts(event, enqueued), *(step for one in letters for step in _letter(one))]
    steps.append(TimelineStep(event.first_seen_at, Step.CLAIMED))
    if event.status is Status.DELIVERED and event.settled_at is not None:
        steps.append(
            TimelineStep(
                event.settled_at, Step.DELIVERED, resolution=event.resolution, request_id=event.request_id
            )
        )
    order = list(Step)
    return sorted(steps, key=lambda one: (one.at, order.index(one.step), one.attempt_number or 0))


def _messages(event: EventReport, letters: list[LetterReport]) -> list[TimelineStep]:
    carriers: dict[str, EventReport | LetterReport] = {event.message_id: event}
    carriers |= {letter.message_id: letter for letter in letters}
    return [
        TimelineStep(one.enqueued_at, Step.ENQUEUED, message_id=message_id, lane=one.lane, source=one.source)
        for message_id, one in carriers.items()
    ]


def _attempts(event: EventReport, enqueued: list[TimelineStep]) -> Iterator[TimelineStep]:
    ended_at: datetime | None = None
    for one in event.attempts:
        began = [step.at for step in enqueued if step.at <= one.started_at]
        since = max([*began, *([] if ended_at is None else [ended_at])], default=one.started_at)
        yield TimelineStep(
            one.started_at, Step.ATTEMPT, max(0.0, (one.started_at - since).total_seconds()),
            one.attempt_number, one.outcome, one.http_status, one.duration_ms, one.error, one.request_id,
        )  # fmt: skip
        ended_at = one.started_at + timedelta(milliseconds=one.duration_ms or 0)


def _letter(letter: LetterReport) -> Iterator[TimelineStep]:
    yield TimelineStep(
        letter.created_at, Step.DEAD_LETTER, http_status=letter.http_status, message_id=letter.message_id,
        dead_letter_id=letter.id, reason=letter.reason,
    )  # fmt: skip
    if letter.resolved_at is not None and letter.resolution is not None:
        step = _resolved(letter.resolution, edited=letter.edited)
        yield TimelineStep(letter.resolved_at, step, dead_letter_id=letter.id, by=letter.resolved_by)


def _resolved(resolution: DeadLetterResolution, *, edited: bool) -> Step:
    match resolution:
        case DeadLetterResolution.REPLAYED:
            return Step.EDITED if edited else Step.REPLAYED
        case DeadLetterResolution.DISCARDED:
            return Step.DISCARDED
        case DeadLetterResolution.SUPERSEDED:
            return Step.SUPERSEDED
        case _:
            assert_never(resolution)
