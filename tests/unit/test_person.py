"""Which events and texts have a person."""

import pytest

from gong_worker.domain.person import Person

EMAIL = Person("dana@globex.example")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("dana@globex.example", True),
        ("Dana@GLOBEX.example", True),
        ("<dana@globex.example>, hello", True),
        ("Ask dana@globex.example.", True),
        ("https://x.example/?email=dana%40globex.example&y=1", True),
        ("jordana@globex.example", False),
        ("x.dana@globex.example", False),
        ("dana@globex.example.au", False),
        ("dana@globex.examples", False),
        ("dana", False),
    ],
)
def test_an_address_is_a_word_of_its_own(text: str, quoted: bool) -> None:
    """In whatever case, also %-encoded; never as a part of another address."""
    assert EMAIL.in_text(text) is quoted
    assert EMAIL.in_event({"a": [{"b": text}]}) is quoted
    assert EMAIL.in_event({text: 1}) is quoted


def test_a_tracking_id_is_matched_to_the_letter() -> None:
    """In its own field, however that is spelled; case counts."""
    person = Person(tracking_id="Ab1")
    assert person.in_event({"trackingId": "Ab1"}) and person.in_event({"tracking_id": "Ab1"})
    assert not person.in_event({"trackingId": "ab1"})
    assert not person.in_event({"shareId": "Ab1", "x": ["Ab1"]})
    assert not person.in_event("Ab1")
    assert person.in_text("trackingId Ab1 is unknown") and not person.in_text("Ab12")


def test_one_person_has_one_name() -> None:
    """The same for every spelling of an address; another for a tracking id that looks like one."""
    names = {Person("A@b.c").normalized, Person("a@B.c").normalized}
    assert len(names) == 1 and Person(tracking_id="a@b.c").normalized not in names


@pytest.mark.parametrize(
    ("email", "tracking_id"), [(None, None), ("a@b", "t"), ("dana", None), ("a b@c", None), (None, " ")]
)
def test_who_is_not_named(email: str | None, tracking_id: str | None) -> None:
    """Exactly one of the two, and an address that is whole: part of one would erase many."""
    with pytest.raises(ValueError, match="--"):
        Person(email, tracking_id)


def test_a_plus_in_a_query_is_a_space() -> None:
    """An address behind one is found in a URL, encoded or not; elsewhere the plus belongs to the address."""
    person = Person("someone@example.com")
    for address in ("someone@example.com", "someone%40example.com"):
        assert person.in_text(f"https://portal.example/?q=mail+{address}&page=2")
    assert not person.in_text("mail+someone@example.com")
    assert not person.in_text("https://portal.example/?q=mail%2Bsomeone%40example.com")
