"""Errors of one kind group, and a kind holds nothing of an event."""

import pytest

from gong_worker.domain.error_kinds import MAX_CHARACTERS, error_kind
from tests.support.views import view


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("`viewer.email` is not valid", "`viewer.email` is not valid", "viewer.email is not valid"),
        ("viewer.email 'a@b.example' is not valid", "viewer.email 'c' is not valid", "viewer.email … is not valid"),
        ("content deck-7 is unknown", "content deck-8812 is unknown", "content … is unknown"),
        ('"contentId" is unknown', "'contentId' is unknown", "contentId is unknown"),
        ("crmContext[0].objects[3] is long", "crmContext[1].objects[0] is long", "crmContext[…].objects[…] is long"),
        ("no user dana@globex.example here", "no user sam.p@acme.example here", "no user … here"),
        ("see https://x.example/a?b=1", "see http://y.example", "see …"),
        ("id 9f2c0d1e-0000-4000-8000-0123456789ab", "id 0a", "id …"),
        ("at 2026-07-01T12:34:56Z, 17 of 20", "at 2025-01-01T00:00:00Z, 3 of 20", "at … of …"),
    ],
)  # fmt: skip
def test_like_errors_are_one_kind(one: str, other: str, kind: str) -> None:
    """Ids, addresses, numbers, times and quoted values are made alike; names of fields are kept."""
    assert error_kind([one]) == error_kind([other]) == kind


def test_different_errors_are_different_kinds() -> None:
    """Which field is wrong, and how, tells groups apart; none at all is a kind of its own."""
    texts = ["viewer.email is not valid", "viewer.email is required", "contentId is unknown"]
    assert len({error_kind([text]) for text in texts} | {error_kind([]), error_kind(texts)}) == 5
    assert error_kind([texts[0], texts[0]]) == error_kind([texts[0]])


def test_a_kind_holds_nothing_of_the_payload() -> None:
    """Values of the event are taken out even where Gong quotes them without quotes; the length is bounded."""
    event = view(1, viewer={"email": "dana@globex.example", "name": "Dana Whitfield"})
    kind = error_kind([f"the viewer Dana Whitfield ({event['contentTitle']}) was not found"], event)
    assert kind == "the viewer … (…) was not found"
    assert len(error_kind(["x " * 1_000])) <= MAX_CHARACTERS
