"""The states of an event and the one table of how it moves between them (drawn in docs/states.md).

The ledger enforces this table with conditional updates; tests/unit/test_states.py checks its laws.
"""

from enum import StrEnum


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


class Move(StrEnum):
    """What can happen to an event."""

    CLAIMED = "claimed"  # a worker took it up
    TAKEN_OVER = "taken_over"  # the claim's lease ran out and another message took it
    DEFERRED = "deferred"  # tried, to be tried again later
    RELEASED = "released"  # given back without a call
    SETTLED = "settled"  # Gong has it; also from a worker that lost its claim meanwhile
    BURIED = "buried"  # Gong will never take it, or the attempts are spent
    REOPENED = "reopened"  # replayed, or sent again with another payload


TRANSITIONS: dict[tuple[Status | None, Move], Status] = {
    (None, Move.CLAIMED): Status.SENDING,
    (Status.WAITING, Move.CLAIMED): Status.SENDING,
    (Status.SENDING, Move.TAKEN_OVER): Status.SENDING,
    (Status.WAITING, Move.TAKEN_OVER): Status.SENDING,
    (Status.SENDING, Move.DEFERRED): Status.WAITING,
    (Status.SENDING, Move.RELEASED): Status.WAITING,
    (Status.SENDING, Move.SETTLED): Status.DELIVERED,
    (Status.WAITING, Move.SETTLED): Status.DELIVERED,
    (Status.DEAD, Move.SETTLED): Status.DELIVERED,
    (Status.SENDING, Move.BURIED): Status.DEAD,
    (Status.DEAD, Move.REOPENED): Status.SENDING,
}
