"""The states of an event and the one table of how it moves between them (drawn in docs/states.md).

The ledger writes no status but the one this table gives; tests/unit/test_states.py checks the table's laws.
"""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where an event stands. The value is the ledger's `deliveries.status`."""

    # A worker holds the claim. That worker moves it on; after a crash the lease runs out and the next
    # message of this event takes the claim over.
    SENDING = "sending"
    # The event waits in Redis: on the delayed set for its next try, or back on its lane. Its message moves
    # it on; when that message is gone, another message of this event takes over after a grace.
    WAITING = "waiting"
    # Gong has it. Final.
    DELIVERED = "delivered"
    # A dead letter holds it. An operator moves it on (replay), or a corrected event with the same id.
    DEAD = "dead"


OPEN_STATUSES: Final = (Status.SENDING, Status.WAITING)
"""Of events that have not come to an end."""


class EventStatus(StrEnum):
    """Where an event stands, also before the ledger has it."""

    QUEUED = "queued"  # its message waits, no worker has seen it
    SENDING = "sending"
    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


class Resolution(StrEnum):
    """How it became known that Gong has an event. The value is the ledger's `deliveries.resolution`."""

    ACCEPTED = "accepted"  # Gong said so
    ALREADY_REPORTED = "already_reported"  # a 409: an earlier call had arrived


class DeadLetterReason(StrEnum):
    """Why an event, or a message, is a dead letter. The value is the ledger's `dead_letters.reason`."""

    REJECTED = "rejected"  # 400, 413, 415, 422
    EXHAUSTED = "exhausted"  # its attempts are spent
    REFUSED = "refused"  # 401, 403, 404 and the like for this event alone, while others succeed
    INVALID = "invalid"  # a readable message whose event breaks the contract
    UNREADABLE = "unreadable"  # no event can be read from the message
    DROPPED = "dropped"  # by an operator: its part was held, or a person in it was erased


class DeadLetterResolution(StrEnum):
    """What became of a dead letter. The value is the ledger's `dead_letters.resolution`; open ones have none."""

    REPLAYED = "replayed"  # an operator put its event on the queue again
    DISCARDED = "discarded"  # an operator let it go
    SUPERSEDED = "superseded"  # its event was delivered by another message


class DeadLetterState(StrEnum):
    """Where a dead letter stands, as operators ask for it."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    SUPERSEDED = "superseded"
    ALL = "all"


class Move(StrEnum):
    """What can happen to an event."""

    CLAIMED = "claimed"  # a worker took it up
    TAKEN_OVER = "taken_over"  # the claim's lease ran out and another message took it
    DEFERRED = "deferred"  # tried, to be tried again later
    RELEASED = "released"  # given back without a call
    COMPLETED = "completed"  # Gong has it; also from a worker that lost its claim meanwhile
    DEAD_LETTERED = "dead_lettered"  # Gong will never take it, or the attempts are spent
    REOPENED = "reopened"  # replayed, or sent again with another payload


TRANSITIONS: dict[tuple[Status | None, Move], Status] = {
    (None, Move.CLAIMED): Status.SENDING,
    (Status.WAITING, Move.CLAIMED): Status.SENDING,
    (Status.SENDING, Move.TAKEN_OVER): Status.SENDING,
    (Status.WAITING, Move.TAKEN_OVER): Status.SENDING,
    (Status.SENDING, Move.DEFERRED): Status.WAITING,
    (Status.SENDING, Move.RELEASED): Status.WAITING,
    (Status.SENDING, Move.COMPLETED): Status.DELIVERED,
    (Status.WAITING, Move.COMPLETED): Status.DELIVERED,
    (Status.DEAD, Move.COMPLETED): Status.DELIVERED,
    (Status.SENDING, Move.DEAD_LETTERED): Status.DEAD,
    (Status.DEAD, Move.REOPENED): Status.SENDING,
}


class ForbiddenMove(Exception):
    """A move that the table does not have: a fault of this program. Nothing was written."""

    def __init__(self, before: Status | None, move: Move) -> None:
        super().__init__(f"no event goes from {before or 'nothing'} by {move}")


def status_after(before: Status | None, move: Move) -> Status:
    """Where `move` takes an event that stands at `before` (None: it is new). Raises ForbiddenMove."""
    try:
        return TRANSITIONS[before, move]
    except KeyError:
        raise ForbiddenMove(before, move) from None
