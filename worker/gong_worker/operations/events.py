"""Events: search them, and what is known of one, from its enqueue to its end."""

import time
from dataclasses import dataclass, field, fields
from datetime import datetime

from redis import RedisError

from gong_views import EventKey
from gong_views.errors import GongViewsError
from gong_views.names import Lane
from gong_worker.domain.states import EventStatus, Resolution, Status
from gong_worker.gate import GateUnavailable
from gong_worker.ledger import AttemptReport, EventFilter, EventPage, EventReport, Ledger
from gong_worker.ledger.values import Int64
from gong_worker.operations.queue import WaitingMessage, find
from gong_worker.operations.services import Services
from gong_worker.operations.timeline import TimelineStep, timeline
from gong_worker.operations.workers_gate import gate_of_workers

FIND_SECONDS = 5.0


class QueueTooLong(GongViewsError):
    """The ledger does not have the event, and the queue could not be read to its end in time."""

    def __init__(self) -> None:
        super().__init__(
            "no worker has seen this event, and the queue, where it may wait, is too long to be read to its end"
        )


@dataclass(frozen=True, slots=True)
class EventStory:
    """All that is known of one event.

    `queued`: its messages in the queue; `queue_searched` False: the queue did not answer, or is too long to be read to
    its end in time. Of an event that no worker has seen (status `queued`) only what its message tells is known.
    `held_by`: while it waits, the reasons for which the gate is held; `next_attempt_at` is then not before the last of
    these holds ends, and None when one has no end. Without an answer of the gate it is the ledger's.
    """

    reporting_system: str
    event_id: str
    status: EventStatus
    lane: Lane
    source: str | None
    content_id: str | None
    message_id: str | None
    enqueued_at: datetime | None
    resolution: Resolution | None = None
    request_id: str | None = None
    integration_id: Int64 | None = None
    attempt_count: int = 0
    duplicate_count: int = 0
    first_seen_at: datetime | None = None
    updated_at: datetime | None = None
    settled_at: datetime | None = None
    next_attempt_at: datetime | None = None
    lease_expires_at: datetime | None = None
    event_timestamp: datetime | None = None
    payload_sha256: str | None = None
    held_by: list[str] = field(default_factory=list)
    attempts: list[AttemptReport] = field(default_factory=list)
    dead_letter_ids: list[int] = field(default_factory=list)
    timeline: list[TimelineStep] = field(default_factory=list)
    queued: list[WaitingMessage] = field(default_factory=list)
    queue_searched: bool = True


def search_events(
    ledger: Ledger, wanted: EventFilter, *, limit: int, after: str | None = None, seconds: float | None = None
) -> EventPage:
    """The next events that a worker has seen, the latest enqueued first, looked for as long as told at most.

    Raises BadCursor, LedgerUnavailable.
    """
    end = None if seconds is None else time.monotonic() + seconds
    page = ledger.search_events(wanted, limit=limit, after=after)
    found, total = page.events, page.total
    while page.next is not None and len(found) < limit and (end is None or time.monotonic() < end):
        page = ledger.search_events(wanted, limit=limit - len(found), after=page.next)
        found = found + page.events
    if after is None and page.next is None:
        total = len(found)
    elif total is None:
        total = ledger.count_events(wanted)
    return EventPage(total, page.next, found)


def find_events(
    services: Services, event_id: str, reporting_system: str | None = None, *, seconds: float = FIND_SECONDS
) -> list[EventStory]:
    """Every event of that id, one a reporting system, also what no worker has seen yet.

    The queue is read for what the ledger does not have settled, for so many seconds at most. Raises LedgerUnavailable;
    for an event that the ledger does not have RedisError and QueueTooLong.
    """
    reports = services.ledger.event(event_id, reporting_system)
    queued: list[WaitingMessage] = []
    complete = True
    if not reports or any(report.status is not Status.DELIVERED for report in reports):
        try:
            queued, complete = find(services.client, event_id, reporting_system, seconds=seconds)
        except RedisError:
            if not reports:
                raise
            complete = False
        if not reports and not queued:  # a worker may have taken its message up meanwhile
            reports = services.ledger.event(event_id, reporting_system)
            if not reports and not complete:
                raise QueueTooLong
    found = [_known(services, report, queued, complete) for report in reports]
    known = {story.reporting_system for story in found}
    unseen = dict.fromkeys(one.reporting_system for one in queued if one.reporting_system is not None)
    return found + [_unseen(event_id, system, queued, complete) for system in unseen if system not in known]


def _known(
    services: Services, report: EventReport, queued: list[WaitingMessage], complete: bool
) -> EventStory:
    values = {one.name: getattr(report, one.name) for one in fields(report)}
    key = EventKey(report.reporting_system, report.event_id)
    letters = services.ledger.letters_of(key) if report.dead_letter_ids else []
    held_by, due = _held(services, report)
    return EventStory(
        **{**values, "status": EventStatus(report.status.value), "next_attempt_at": due},
        held_by=held_by,
        timeline=timeline(report, letters),
        queued=[message for message in queued if message.reporting_system == report.reporting_system],
        queue_searched=complete,
    )


def _unseen(event_id: str, system: str, queued: list[WaitingMessage], complete: bool) -> EventStory:
    own = [message for message in queued if message.reporting_system == system]
    first = own[0]
    return EventStory(
        system, event_id, EventStatus.QUEUED, first.lane, first.source, first.content_id, first.message_id,
        first.enqueued_at, queued=own, queue_searched=complete,
    )  # fmt: skip


def _held(services: Services, report: EventReport) -> tuple[list[str], datetime | None]:
    if report.status is not Status.WAITING:
        return [], report.next_attempt_at
    try:
        holds = [hold for hold in gate_of_workers(services, whole_day=False).holds if hold.mine]
    except (GateUnavailable, RedisError):
        return [], report.next_attempt_at
    return [hold.reason.value for hold in holds], _after(
        report.next_attempt_at, [hold.until for hold in holds]
    )


def _after(due: datetime | None, ends: list[datetime | None]) -> datetime | None:
    if due is None or None in ends:
        return None if ends else due
    return max([due, *(end for end in ends if end is not None)])
