"""Fields are set and unset by path, and the difference says what changed."""

import pytest

from gong_worker.domain.edits import Change, Edit, EditError, difference, edited

EVENT = {
    "contentId": "deck",
    "viewer": {"email": "a@b.example"},
    "crmContext": [{"system": "S", "objects": []}],
}


def test_set_and_unset() -> None:
    """Objects on the way are made, indexes address items, absent fields may be unset, the original stays."""
    edit = Edit(
        {"viewer.name": "Dana", "sharer.id": "7", "crmContext[0].system": "H", "crmContext[1]": {}},
        ["contentId", "viewer.title", "trackingId", "crmContext[0].objects"],
    )
    after = edited(EVENT, edit)
    assert after == {
        "viewer": {"email": "a@b.example", "name": "Dana"},
        "sharer": {"id": "7"},
        "crmContext": [{"system": "H"}, {}],
    }
    assert EVENT["contentId"] == "deck"
    assert {change.path for change in difference(EVENT, after)} == {
        "contentId", "viewer.name", "sharer", "crmContext[0].system", "crmContext[0].objects", "crmContext[1]",
    }  # fmt: skip


def test_the_difference_keeps_types_apart() -> None:
    """1, 1.0, true and "1" are different values; equal ones are no difference."""
    assert difference({"a": 1}, {"a": 1}) == []
    assert difference({"a": 1}, {"a": True}) == [Change("a", 1, True)]
    assert difference({"a": "1"}, {"a": 1}) == [Change("a", "1", 1)]
    assert difference({}, {"a": [1]}) == [Change("a", None, [1])]


@pytest.mark.parametrize(
    "path", ["", ".", "viewer..email", "[0]", "viewer[x]", "viewer email", "a.", "viewer."]
)
def test_a_path_that_is_none_is_refused(path: str) -> None:
    """The text shows how a path is written."""
    with pytest.raises(EditError, match="crmContext"):
        edited(EVENT, Edit({path: 1}))


@pytest.mark.parametrize("path", ["crmContext[7].system", "crmContext.system", "crmContext[9]", "viewer[0]"])
def test_a_path_that_does_not_fit_is_refused(path: str) -> None:
    """Setting a field of an item that is not there is an error that names the path."""
    with pytest.raises(EditError, match="does not fit"):
        edited(EVENT, Edit({path: 1}))
