"""What goes into the ledger and what comes out of it. Every time is timezone-aware UTC."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import PlainSerializer

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import DeadLetterReason, DeadLetterResolution, Resolution, Status

LaneDay = tuple[Lane, date]
"""A lane and the UTC day on which a message was put on it."""

Int64 = Annotated[int, PlainSerializer(str, when_used="json")]
"""A 64-bit integer; a text in JSON, for JavaScript would round the number."""


@dataclass(frozen=True, slots=True)
class MessageRef:
    """The queue message that brings an event."""

    message_id: str
    lane: Lane
    enqueued_at: datetime
    replay_of: int | None = None
    """The dead letter whose replay this message is."""
    source: str | None = None
    """The name of the producer, if it gave one."""


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What the ledger keeps of an event beside its key; nothing personal."""

    content_id: str
    event_timestamp: datetime
    payload_sha256: str
    """Tells a corrected event from a repeated one; keyed, and marked so."""
    unkeyed_sha256: str | None = None
    """What earlier versions kept of the same payload; not stored."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to call Gong for one event, until its lease runs out."""

    key: EventKey
    token: str
    message: MessageRef
    facts: EventFacts
    attempt_count: int
    """Attempts spent before this claim."""
    first_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """The event is ours."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class AlreadyHandled:
    """This message has nothing left to do: acknowledge it."""

    status: Status
    """The event's status. Not always an end: another message may carry the event on."""
    duplicate: bool
    """True when this message brought an event that another message had brought before."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Another holds the event: come back at `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """How one call went."""

    outcome: AttemptOutcome
    http_status: int | None
    request_id: str | None
    error: str | None
    duration_ms: int
    started_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One death of an event, or one message that nobody could read."""

    id: int
    reporting_system: str | None
    event_id: str | None
    message_id: str
    lane: Lane
    source: str | None
    enqueued_at: datetime
    reason: DeadLetterReason
    http_status: int | None
    request_id: str | None
    errors: list[str]
    payload: Any | None = field(repr=False)
    """The event as JSON; without an event (`event_id` None) the message's body as text.

    Bytes that are no UTF-8 show as `\\xNN` there. None once the letter is resolved and nothing needs it any more.
    """
    created_at: datetime
    resolution: DeadLetterResolution | None
    resolved_at: datetime | None
    resolved_by: str | None
    error_kind: str | None
    """The errors with ids, addresses and values taken out, so that like letters group."""
    replay_of: int | None
    """The letter whose replay died as this one."""
    erased_at: datetime | None
    """When a person in it was erased, and with the person the payload and the errors."""


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """One call; `outcome` is None while it is in flight, or when its worker died and nobody took over yet."""

    attempt_number: int
    started_at: datetime
    duration_ms: int | None
    outcome: AttemptOutcome | None
    http_status: int | None
    request_id: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class EventReport:
    """All that the ledger knows of one event."""

    reporting_system: str
    event_id: str
    status: Status
    resolution: Resolution | None
    request_id: str | None
    integration_id: Int64 | None
    attempt_count: int
    duplicate_count: int
    first_seen_at: datetime
    enqueued_at: datetime
    updated_at: datetime
    settled_at: datetime | None
    next_attempt_at: datetime | None
    lease_expires_at: datetime | None
    message_id: str
    lane: Lane
    source: str | None
    content_id: str
    event_timestamp: datetime
    payload_sha256: str
    attempts: list[AttemptReport]
    dead_letter_ids: list[int]


@dataclass(frozen=True, slots=True)
class FinalCounts:
    """How messages ended; each message is in one of these once."""

    accepted: int = 0
    already_reported: int = 0
    duplicates: int = 0
    dead: int = 0
    """Dead letters that were not discarded: open, replayed or superseded."""
    discarded: int = 0

    @property
    def total(self) -> int:
        """Messages that ended."""
        return self.accepted + self.already_reported + self.duplicates + self.dead + self.discarded


@dataclass(frozen=True, slots=True)
class ReconciliationSnapshot:
    """What a reconciliation compares, read at one instant."""

    final_counts: dict[LaneDay, FinalCounts]
    unsettled: dict[LaneDay, int]
    enqueue_counts: dict[LaneDay, int]
    written_off: dict[LaneDay, int]
    """Missing messages that an operator has accepted as such; negative: accepted as too many."""
