"""Dead letters: what they keep, for how long, and who resolved them."""

import json

import pytest

from gong_views import EventKey
from gong_worker.domain.states import Status
from gong_worker.ledger import AlreadyHandled, DeadLetterNotFound, FinalCounts, Ledger
from tests.integration.ledger.support import (
    PAYLOAD,
    ask,
    at,
    claimed,
    dead_letter_event,
    deliver,
    ended,
    message,
    open_ids,
    status,
    stored,
)


def unreadable(ledger: Ledger, raw: bytes | str, name: str = "u1", *, replay_of: int | None = None) -> None:
    ledger.dead_letter_message(raw, message(name, replay_of=replay_of), reason_text="no JSON", now=at(1))


def payloads(ledger: Ledger) -> list[str | None]:
    """The payload column itself."""
    return [row[0] for row in stored(ledger, "SELECT payload FROM dead_letters ORDER BY id")]


def test_a_letter_keeps_what_an_operator_needs(ledger: Ledger) -> None:
    """Reason, Gong's words, the payload and the message, exactly."""
    dead_letter_event(ledger, claimed(ledger, "m1"), 2)
    (letter,) = ledger.list_dead_letters()
    assert (letter.reason, letter.http_status, letter.request_id) == ("rejected", 400, "request-1")
    assert (letter.errors, letter.payload) == (["contentUrl is no URL"], PAYLOAD)
    assert (letter.event_id, letter.message_id, letter.created_at) == ("event-1", "m1", at(2))
    assert "someone@example.com" not in repr(letter)
    assert ledger.get_dead_letter(letter.id) == letter


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": "\xf0\x9f\x98\x80"}',
        b"\xff\xfe broken \x00 \\xff \\u0000",
        "lone \ud800 half \x00",
        b"",
        "␀ and \\".encode(),
    ],
)
def test_an_unreadable_body_is_kept_byte_for_byte(ledger: Ledger, raw: bytes | str) -> None:
    """Whatever came, valid UTF-8 or not, the letter has it exactly, and shows it as printable text."""
    unreadable(ledger, raw)
    (letter,) = ledger.list_dead_letters()
    expected = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")
    assert json.loads(payloads(ledger)[0] or "").encode("utf-8", "surrogateescape") == expected
    assert letter.payload.encode() == expected or "\\x" in letter.payload
    assert (letter.reason, letter.event_id, letter.errors) == ("unreadable", None, ["no JSON"])


def test_an_unreadable_message_is_kept_once(ledger: Ledger) -> None:
    """Redelivered after a crash, before and after it was discarded, it makes no second letter."""
    unreadable(ledger, b"x")
    unreadable(ledger, b"x")
    ledger.mark_discarded([1], "ops", at(2))
    unreadable(ledger, b"x")
    assert len(ledger.list_dead_letters(open_only=False)) == ended(ledger) == 1


def test_an_unreadable_message_put_back_and_unreadable_again(ledger: Ledger) -> None:
    """Replayed under its own id it gets a new letter, which alone has the body."""
    unreadable(ledger, b"x")
    ledger.mark_replayed([1], "ops", at(2))
    unreadable(ledger, b"x")
    assert open_ids(ledger) == [2]
    assert payloads(ledger) == [None, '"x"']


def test_discarding_removes_the_payload_at_once(ledger: Ledger) -> None:
    """Nothing personal outlives a discarded letter."""
    dead_letter_event(ledger, claimed(ledger, "m1"))
    ledger.mark_discarded([1], "ops", at(5))
    letter = ledger.get_dead_letter(1)
    assert (letter.resolution, letter.resolved_by, letter.resolved_at) == ("discarded", "ops", at(5))
    assert payloads(ledger) == [None]
    assert open_ids(ledger) == []


def test_a_letter_is_resolved_once(ledger: Ledger) -> None:
    """What the first operator did stands; the second one is told that nothing was discarded."""
    dead_letter_event(ledger, claimed(ledger, "m1"))
    ledger.mark_replayed([1], "first", at(5))
    ledger.mark_replayed([1], "second", at(6))
    assert ledger.mark_discarded([1, 7], "second", at(6)) == []
    assert ledger.get_dead_letter(1).resolved_by == "first"


def test_an_unknown_letter(ledger: Ledger) -> None:
    """A number that was never given is named."""
    with pytest.raises(DeadLetterNotFound, match="7"):
        ledger.get_dead_letter(7)


@pytest.mark.parametrize("marked_first", [True, False])
@pytest.mark.parametrize("end", ["delivered", "dead"])
def test_a_replayed_payload_goes_when_its_replay_ends(ledger: Ledger, end: str, marked_first: bool) -> None:
    """Until then it stays; marking after a fast worker has finished the replay is fine."""
    dead_letter_event(ledger, claimed(ledger, "m1"))
    if marked_first:
        ledger.mark_replayed([1], "ops", at(5))
    claim = claimed(ledger, "m2", 6, replay_of=1)
    assert payloads(ledger)[0] is not None
    (deliver if end == "delivered" else dead_letter_event)(ledger, claim, 7)
    assert payloads(ledger)[0] is None
    if not marked_first:
        ledger.mark_replayed([1], "ops", at(8))
    assert ledger.get_dead_letter(1).resolution == "replayed"
    assert open_ids(ledger) == ([] if end == "delivered" else [2])
    assert ended(ledger) == 2


def test_the_replay_of_an_unreadable_message_clears_its_letter(ledger: Ledger) -> None:
    """The letter has no event; the replay's `replay_of` ties the two together."""
    unreadable(ledger, b"x", "m1")
    ledger.mark_replayed([1], "ops", at(2))
    deliver(ledger, claimed(ledger, "m2", 3, replay_of=1), 4)
    assert payloads(ledger) == [None]


@pytest.mark.parametrize("end", ["delivered", "discarded"])
def test_an_edited_replay_that_dies_keeps_the_original_too(ledger: Ledger, end: str) -> None:
    """An operator's edit overwrites nothing: the first payload stays until the event is delivered or given up."""
    dead_letter_event(ledger, claimed(ledger, "m1"), payload={"contentTitle": "as sent"})
    ledger.mark_replayed([1], "ops", at(2))
    dead_letter_event(
        ledger, claimed(ledger, "m2", 3, payload="b", replay_of=1), 4, payload={"contentTitle": "edited"}
    )
    assert payloads(ledger) == ['{"contentTitle":"as sent"}', '{"contentTitle":"edited"}']
    if end == "delivered":
        deliver(ledger, claimed(ledger, "m3", 5, payload="c"), 6)
    else:
        ledger.mark_discarded([2], "ops", at(5))
    assert payloads(ledger) == [None, None]


def test_a_replay_that_comes_too_late_clears_its_letter(ledger: Ledger) -> None:
    """The event was delivered by a correction meanwhile: the replay is a duplicate and the payload goes."""
    dead_letter_event(ledger, claimed(ledger, "m1"))
    ledger.mark_replayed([1], "ops", at(2))
    deliver(ledger, claimed(ledger, "m2", 3, payload="b"), 4)
    unreadable(ledger, b"x")
    ledger.mark_replayed([2], "ops", at(5))
    ask(ledger, "m3", 6, replay_of=2)
    assert payloads(ledger) == [None, None]
    assert status(ledger) == "delivered"


@pytest.mark.parametrize("end", ["delivered", "dead"])
def test_an_older_letter_stays_until_it_is_replayed(ledger: Ledger, end: str) -> None:
    """A letter that the producer's correction left behind keeps its payload and can be replayed."""
    dead_letter_event(ledger, claimed(ledger, "m1"))
    dead_letter_event(ledger, claimed(ledger, "m2", 3, payload="b"), 4, payload={"contentTitle": "corrected"})
    assert open_ids(ledger) == [1, 2]
    replay = claimed(ledger, "m3", 5, replay_of=1)
    ledger.mark_replayed([1], "ops", at(6))
    if end == "delivered":
        deliver(ledger, replay, 7)
        assert open_ids(ledger) == []
        assert payloads(ledger) == [None, None]
    else:
        dead_letter_event(ledger, replay, 7)
        assert open_ids(ledger) == [2, 3]
        assert [bool(payload) for payload in payloads(ledger)] == [False, True, True]
        assert ledger.get_dead_letter(3).replay_of == 1
        ledger.mark_discarded([3], "ops", at(8))
        assert [bool(payload) for payload in payloads(ledger)] == [False, True, False]
        claimed(ledger, "m4", 9, replay_of=2)


def test_gongs_words_go_with_the_payload(ledger: Ledger) -> None:
    """An error text may quote the payload: it goes when an operator discards the letter or the event is delivered."""
    for name in ("a", "b"):
        dead_letter_event(ledger, claimed(ledger, name, key=EventKey("crm", name)))
    ledger.mark_discarded([1], "ops", at(2))
    deliver(ledger, claimed(ledger, "m3", 3, payload="b", key=EventKey("crm", "b")), 4)
    for letter in ledger.list_dead_letters(open_only=False):
        assert (letter.payload, letter.errors) == (None, [])
        assert (letter.reason, letter.http_status) == ("rejected", 400)


def test_an_event_is_free_again_once_its_letter_is_discarded(ledger: Ledger) -> None:
    """Discarding lets go of that copy alone: the same event, sent again by another message, is delivered."""
    dead_letter_event(ledger, claimed(ledger, "m1"))
    assert ask(ledger, "m2", 1) == AlreadyHandled(Status.DEAD, duplicate=True)
    ledger.mark_discarded([1], "ops", at(2))
    assert ask(ledger, "m1", 3) == AlreadyHandled(Status.DEAD, duplicate=False)
    deliver(ledger, claimed(ledger, "m3", 4), 5)
    (ends,) = ledger.final_counts().values()
    assert ends == FinalCounts(accepted=1, duplicates=1, discarded=1)


def test_a_discard_between_a_replay_and_its_mark(ledger: Ledger) -> None:
    """The replay's message is on its way: it is delivered, and the letter says who replayed it."""
    dead_letter_event(ledger, claimed(ledger, "m1"))
    ledger.mark_discarded([1], "second", at(2))
    ledger.mark_replayed([1], "first", at(3))
    deliver(ledger, claimed(ledger, "m2", 4, replay_of=1), 5)
    letter = ledger.get_dead_letter(1)
    assert (letter.resolution, letter.resolved_by, letter.payload) == ("replayed", "first", None)
    assert ended(ledger) == 2


def test_pages_of_letters(ledger: Ledger) -> None:
    """Oldest first, by number, so that a page is not disturbed by new letters."""
    for number in range(5):
        unreadable(ledger, b"x", f"u{number}")
    ledger.mark_discarded([2], "ops", at(2))
    assert [letter.id for letter in ledger.list_dead_letters(True, 2, 0)] == [1, 3]
    assert [letter.id for letter in ledger.list_dead_letters(True, 2, 3)] == [4, 5]
    assert [letter.id for letter in ledger.list_dead_letters(False, 10, 1)] == [2, 3, 4, 5]
