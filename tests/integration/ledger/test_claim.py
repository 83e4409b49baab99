"""Who may call Gong for an event."""

import pytest

from gong_views import EventKey
from gong_worker.ledger import AlreadyHandled, Busy, ClaimLost, Ledger
from tests.integration.ledger.support import (
    KEY,
    LEASE_SECONDS,
    ask,
    at,
    claimed,
    dead_letter_event,
    defer,
    deliver,
    outcomes,
    status,
)


def test_a_new_event_is_claimed(ledger: Ledger) -> None:
    """The first message of an event gets it."""
    claim = claimed(ledger, "m1")
    assert (claim.key, claim.attempt_count, claim.first_seen_at) == (KEY, 0, at(0))
    assert status(ledger) == "sending"


@pytest.mark.parametrize("other", ["m1", "m2"])
def test_a_live_claim_is_respected(ledger: Ledger, other: str) -> None:
    """While a lease runs nobody else gets the event, not even a redelivery of the same message."""
    claimed(ledger, "m1")
    assert ask(ledger, other, 59) == Busy(at(60))


@pytest.mark.parametrize("other", ["m1", "m2"])
def test_an_expired_claim_is_taken_over(ledger: Ledger, other: str) -> None:
    """When the lease has run out the event goes to who asks, and the open call is noted as interrupted."""
    first = claimed(ledger, "m1")
    ledger.begin_attempt(first, now=at(1))
    second = claimed(ledger, other, 60)
    assert second.token != first.token
    assert outcomes(ledger) == ["interrupted"]
    with pytest.raises(ClaimLost):
        ledger.begin_attempt(first, now=at(61))
    assert ledger.begin_attempt(second, now=at(61)) == 2


def test_a_lease_outlives_a_clock_set_back_by_one_lease_at_most(ledger: Ledger) -> None:
    """After the common clock was set back the wait for a dead worker's claim is still no longer than one lease."""
    claimed(ledger, "m1", 1000)
    assert ask(ledger, "m2", 0) == Busy(at(60))
    assert ask(ledger, "m2", 59) == Busy(at(60))
    claimed(ledger, "m2", 60)


def test_no_call_on_a_lease_that_ran_out(ledger: Ledger) -> None:
    """A lease that ran out lets another claim at any moment, so no call may begin on it."""
    claim = claimed(ledger, "m1")
    with pytest.raises(ClaimLost):
        ledger.begin_attempt(claim, now=at(60))


def test_a_renewed_claim_lives_on(ledger: Ledger) -> None:
    """Renewing moves the lease's end, and tells which claims are lost."""
    held, lost = claimed(ledger, "m1"), claimed(ledger, "m2", key=EventKey("crm", "event-2"))
    claimed(ledger, "m3", 60, key=lost.key)
    assert ledger.renew([held, lost], now=at(59), lease_seconds=LEASE_SECONDS) == [lost]
    assert ask(ledger, "m2", 100) == Busy(at(119))


def test_the_waiting_events_own_message_goes_on(ledger: Ledger) -> None:
    """A deferred event is claimed again by its own message, with its attempts counted."""
    defer(ledger, claimed(ledger, "m1"), 1, 30)
    assert claimed(ledger, "m1", 30).attempt_count == 1


def test_a_waiting_event_is_left_to_its_message(ledger: Ledger) -> None:
    """Another message takes over only when the waiting one is overdue by a lease's length."""
    defer(ledger, claimed(ledger, "m1"), 1, 30, spent=False)
    assert ask(ledger, "m2", 31) == Busy(at(90))
    assert claimed(ledger, "m2", 90).attempt_count == 0
    assert isinstance(ask(ledger, "m1", 91), Busy)


def test_released_events_are_free_at_once(ledger: Ledger) -> None:
    """Giving back without a call leaves the event to its message."""
    assert ledger.release_claim(claimed(ledger, "m1"), now=at(1))
    assert status(ledger) == "waiting"
    assert claimed(ledger, "m1", 1).attempt_count == 0


def test_a_redelivery_after_the_end_is_no_duplicate(ledger: Ledger) -> None:
    """A message that comes again after its event was delivered by it has nothing to do and is not counted."""
    deliver(ledger, claimed(ledger, "m1"))
    assert ask(ledger, "m1", 5) == AlreadyHandled("delivered", duplicate=False)
    assert ledger.counts()["duplicates"] == 0


def test_a_duplicate_is_counted_once_per_message(ledger: Ledger) -> None:
    """A duplicate whose worker crashed before the acknowledgement is counted once, however often it comes."""
    deliver(ledger, claimed(ledger, "m1"))
    for _ in range(3):
        assert ask(ledger, "m2", 5) == AlreadyHandled("delivered", duplicate=True)
    assert ask(ledger, "m3", 5) == AlreadyHandled("delivered", duplicate=True)
    assert ledger.counts()["duplicates"] == 2
    assert ledger.event("event-1")[0].duplicate_count == 2


def test_the_same_message_id_on_two_events_loses_neither(ledger: Ledger) -> None:
    """A producer that reuses message ids cannot make the ledger swallow another event."""
    deliver(ledger, claimed(ledger, "first"))
    assert ask(ledger, "reused", 1) == AlreadyHandled("delivered", duplicate=True)
    other = EventKey("crm", "event-2")
    ledger.release_claim(claimed(ledger, "reused", 2, key=other), now=at(2))
    claimed(ledger, "reused", 3, key=other)


def test_a_dead_event_stays_dead(ledger: Ledger) -> None:
    """The same payload again is a duplicate; the message that died, redelivered, is not."""
    dead_letter_event(ledger, claimed(ledger, "m1"))
    assert ask(ledger, "m1", 5) == AlreadyHandled("dead", duplicate=False)
    assert ask(ledger, "m2", 5) == AlreadyHandled("dead", duplicate=True)


def test_a_replay_reopens(ledger: Ledger) -> None:
    """A letter's replay starts the event anew; a second replay of a letter whose first one died does not."""
    dead_letter_event(ledger, claimed(ledger, "m1"))
    second = claimed(ledger, "m2", 5, replay_of=1)
    assert (second.attempt_count, second.first_seen_at) == (0, at(0))
    dead_letter_event(ledger, second, 6)
    assert ask(ledger, "m3", 7, replay_of=1) == AlreadyHandled("dead", duplicate=True)
    claimed(ledger, "m4", 8, replay_of=2)


def test_a_corrected_event_reopens(ledger: Ledger) -> None:
    """Another payload under the same key is a correction of the dead one."""
    dead_letter_event(ledger, claimed(ledger, "m1"))
    claimed(ledger, "m2", 5, payload="b")


def test_a_message_that_ended_never_carries_an_event_again(ledger: Ledger) -> None:
    """Redelivered late, a message that died or was a duplicate does not take over its reopened event."""
    dead_letter_event(ledger, claimed(ledger, "m1"))
    ask(ledger, "m2", 1)
    claimed(ledger, "m3", 2, replay_of=1)
    for seconds in (3, 200):  # while the claim lives, and when it could be taken over
        assert ask(ledger, "m1", seconds) == AlreadyHandled("sending", duplicate=False)
        assert ask(ledger, "m2", seconds) == AlreadyHandled("sending", duplicate=True)


@pytest.mark.parametrize(
    "text", ["é😀", "nul\x00", "lone\ud800", "␀0", "x" * 5000, "\x00" * 3000, "back\\slash"]
)
def test_any_text_can_be_a_key(ledger: Ledger, text: str) -> None:
    """Whatever Gong's schema takes as an id works, apart from its neighbour, however long."""
    key, neighbour = EventKey(text, text), EventKey(text, text + "y")
    deliver(ledger, claimed(ledger, text, key=key))
    assert ask(ledger, text, 1, key=key) == AlreadyHandled("delivered", duplicate=False)
    claimed(ledger, text, 1, key=neighbour)
    assert len(ledger.event(text)) == 1
