"""Calls and what becomes of the event, also from workers that come late."""

import pytest

from gong_worker.domain.states import DeadLetterReason, ForbiddenMove, Move, Resolution
from gong_worker.ledger import AlreadyHandled, Ledger, rows
from gong_worker.ledger.transactions import writing
from tests.integration.ledger.support import (
    KEY,
    START,
    ask,
    at,
    claimed,
    dead_letter_event,
    defer,
    deliver,
    ended,
    outcomes,
    result,
    status,
)


def test_delivered_with_everything_gong_said(ledger: Ledger) -> None:
    """The 64-bit integration id, the request id and the times come back exactly."""
    claim = claimed(ledger, "m1")
    number = ledger.begin_attempt(claim, now=at(1))
    assert outcomes(ledger) == [None]
    assert deliver(ledger, claim, 2, number=number)
    (event,) = ledger.event("event-1")
    assert (event.status, event.resolution, event.request_id) == ("delivered", "accepted", "request-1")
    assert event.integration_id == 5517027188234205706
    assert (event.first_seen_at, event.settled_at, event.enqueued_at) == (at(0), at(2), START)
    assert (event.attempt_count, event.lease_expires_at, event.source) == (1, None, "test")
    assert event.settled_at is not None and event.settled_at.utcoffset() is not None
    assert [(call.outcome, call.http_status, call.started_at) for call in event.attempts] == [
        ("delivered", 200, at(2))
    ]


def test_an_impossible_integration_id_does_not_undo_the_delivery(ledger: Ledger) -> None:
    """A number that is no int64 is left out; the event is delivered all the same."""
    claim = claimed(ledger, "m1")
    number = ledger.begin_attempt(claim, now=at(1))
    ledger.complete(
        claim, number, result("delivered"), now=at(1), resolution=Resolution.ACCEPTED, integration_id=2**63
    )
    assert ledger.event("event-1")[0].integration_id is None


def test_a_cancelled_attempt_leaves_nothing(ledger: Ledger) -> None:
    """A call that was not made is not in the books."""
    claim = claimed(ledger, "m1")
    ledger.cancel_attempt(claim, ledger.begin_attempt(claim, now=at(1)))
    assert outcomes(ledger) == []


def test_a_late_cancel_spares_the_others_attempt(ledger: Ledger) -> None:
    """After a takeover the same number may be another worker's call: only one's own row goes."""
    first = claimed(ledger, "m1")
    number = ledger.begin_attempt(first, now=at(1))
    ledger.cancel_attempt(first, number)
    assert ledger.begin_attempt(claimed(ledger, "m1", 60), now=at(61)) == number
    ledger.cancel_attempt(first, number)
    assert outcomes(ledger) == [None]


def test_recording_twice_changes_nothing(ledger: Ledger) -> None:
    """When the commit's answer got lost the same call can be made again."""
    claim = claimed(ledger, "m1")
    number = ledger.begin_attempt(claim, now=at(1))
    assert [dead_letter_event(ledger, claim, 2, number=number) for _ in range(2)] == [True, False]
    assert (ledger.counts()["dead"], len(ledger.list_dead_letters()), ended(ledger)) == (1, 1, 1)
    claim = claimed(ledger, "m2", 3, replay_of=1)
    number = ledger.begin_attempt(claim, now=at(3))
    before = ledger.counts()
    assert [deliver(ledger, claim, 4, number=number) for _ in range(2)] == [True, False]
    assert ledger.event("event-1")[0].attempt_count == 1
    assert before["duplicates"] == ledger.counts()["duplicates"] == 0


def test_only_what_was_sent_is_spent(ledger: Ledger) -> None:
    """An attempt counts against the event only where the caller says so."""
    defer(ledger, claimed(ledger, "m1"), 1, 5, spent=True)
    defer(ledger, claimed(ledger, "m1", 5), 6, 9, spent=False)
    (event,) = ledger.event("event-1")
    assert (event.status, event.attempt_count, event.next_attempt_at) == ("waiting", 1, at(9))


def test_an_event_that_dies_without_a_call(ledger: Ledger) -> None:
    """An event that breaks the contract is never sent: nothing is spent, and its letter says why."""
    claim, errors = claimed(ledger, "m1"), ["contentUrl is no URL"]
    assert ledger.dead_letter_event(
        claim, None, None, now=at(1), reason=DeadLetterReason.INVALID, errors=errors, payload={"a": 1}
    )
    (letter,) = ledger.list_dead_letters()
    assert (letter.reason, letter.http_status, letter.errors) == ("invalid", None, errors)
    assert ledger.event("event-1")[0].attempt_count == 0


def test_a_forbidden_move_cannot_be_written(ledger: Ledger) -> None:
    """The row's status comes from the transition table; what that does not have is an error, and nothing changes."""
    deliver(ledger, claimed(ledger, "m1"))
    for move in Move:
        with (
            pytest.raises(ForbiddenMove, match="no event goes from delivered"),
            writing(ledger.engine) as connection,
        ):
            rows.update_delivery(connection, KEY, rows.lock(connection, KEY), {}, move=move)
    assert status(ledger) == "delivered"


@pytest.mark.parametrize("successor", ["m1", "m2"])
def test_a_late_delivery_counts(ledger: Ledger, successor: str) -> None:
    """Gong has it, whoever holds the claim by now; the successor's own answer is then written beside it."""
    late = claimed(ledger, "m1")
    late_number = ledger.begin_attempt(late, now=at(1))
    other = claimed(ledger, successor, 60)
    number = ledger.begin_attempt(other, now=at(61))
    assert deliver(ledger, late, 62, number=late_number) is False
    assert status(ledger) == "delivered"
    assert dead_letter_event(ledger, other, 63, number=number) is False
    assert status(ledger) == "delivered"
    assert outcomes(ledger) == ["delivered", "rejected"]
    assert ledger.event("event-1")[0].message_id == "m1"
    # m1 delivered; m2, if it was another message, was a duplicate after all.
    assert ledger.counts()["duplicates"] == (successor == "m2")
    assert ledger.list_dead_letters(open_only=False) == []


@pytest.mark.parametrize("late_answer", ["rejected", "server_error"])
def test_any_other_late_answer_moves_nothing(ledger: Ledger, late_answer: str) -> None:
    """The event belongs to the one who took over; the late result is only written down."""
    late = claimed(ledger, "m1")
    late_number = ledger.begin_attempt(late, now=at(1))
    other = claimed(ledger, "m2", 60)
    if late_answer == "rejected":
        assert dead_letter_event(ledger, late, 62, number=late_number) is False
    else:
        assert (
            ledger.defer(
                late, late_number, result("server_error"), now=at(62), next_attempt_at=at(70), spent=True
            )
            is False
        )
    assert outcomes(ledger) == [late_answer]
    assert status(ledger) == "sending"
    assert deliver(ledger, other, 63)
    assert ledger.event("event-1")[0].message_id == "m2"
    # A dead-lettered message is acknowledged, so it ends here; a deferred one comes again.
    ask(ledger, "m1", 70)
    assert (ledger.counts()["duplicates"], ended(ledger)) == (1, 2)


@pytest.mark.parametrize("successor", ["m1", "m2"])
def test_a_late_delivery_raises_the_dead(ledger: Ledger, successor: str) -> None:
    """Gong has the event, so its letter is superseded and its payload gone; each message ended once."""
    late = claimed(ledger, "m1")
    late_number = ledger.begin_attempt(late, now=at(1))
    dead_letter_event(ledger, claimed(ledger, successor, 60), 61)
    deliver(ledger, late, 62, number=late_number)
    assert status(ledger) == "delivered"
    (letter,) = ledger.list_dead_letters(open_only=False)
    assert (letter.resolution, letter.payload) == ("superseded", None)
    assert ended(ledger) == len({"m1", successor})
    assert ledger.counts()["dead_letters_open"] == 0


def test_a_duplicate_that_delivered_late_is_none(ledger: Ledger) -> None:
    """Counted as a duplicate by its redelivery, then found to have delivered: it ends once, as delivered."""
    late = claimed(ledger, "m1")
    late_number = ledger.begin_attempt(late, now=at(1))
    dead_letter_event(ledger, claimed(ledger, "m2", 60), 61)
    assert ask(ledger, "m1", 62) == AlreadyHandled("dead", duplicate=True)
    deliver(ledger, late, 63, number=late_number)
    assert ledger.counts()["duplicates"] == ledger.event("event-1")[0].duplicate_count == 0
    assert ended(ledger) == 2
