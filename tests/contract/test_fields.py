"""Every field of Gong's schema, under both its names, onto the wire and back."""

import json
from typing import Any

import pytest

from gong_views import InvalidViewEvent, ViewEvent
from gong_views.schema import (
    Actor,
    ContextField,
    CrmContext,
    CrmObject,
    Part,
    PartyContext,
    PartyObject,
    Property,
    Sharer,
)
from tests.contract import examples as gong

MODELS: list[tuple[type[Part], set[str]]] = [
    (ViewEvent, {camel for _, camel, _, _ in gong.EVENT}),
    (Actor, {"email", "name", "title", "context"}),
    (Sharer, {"id", "email", "name"}),
    (PartyContext, {"system", "objects"}),
    (CrmContext, {"system", "objects"}),
    (PartyObject, {"objectType", "objectId", "fields"}),
    (CrmObject, {"objectType", "objectId", "fields"}),
    (ContextField, {"name", "value"}),
    (Property, {"name", "value", "dataType"}),
]
REQUIRED_OF_PARTS = [
    ("crmContext", [{}], "crmContext[0].system"),
    (
        "crmContext",
        [{"system": "Generic", "objects": [{"objectType": "User"}]}],
        "crmContext[0].objects[0].objectId",
    ),
    (
        "crmContext",
        [{"system": "Generic", "objects": [{"objectId": "1"}]}],
        "crmContext[0].objects[0].objectType",
    ),
    ("viewer", {"context": [{}]}, "viewer.context[0].system"),
    ("eventProperties", [{"name": "n", "dataType": "string"}], "eventProperties[0].value"),
    ("eventProperties", [{"name": "n", "dataType": "string", "value": None}], "eventProperties[0].value"),
    ("eventProperties", [{"name": "n", "value": "v"}], "eventProperties[0].dataType"),
    ("eventProperties", [{"value": "v", "dataType": "string"}], "eventProperties[0].name"),
]


@pytest.mark.parametrize(("model", "names"), MODELS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_model_has_exactly_gongs_fields(model: type[Part], names: set[str]) -> None:
    """No field of Gong's is missing, and none is ours alone."""
    assert {field.alias for field in model.model_fields.values()} == names


@pytest.mark.parametrize(("snake", "camel", "one", "other"), gong.EVENT, ids=lambda value: str(value)[:20])
def test_a_field_is_accepted_under_both_names(snake: str, camel: str, one: Any, other: Any) -> None:
    """Either spelling, by keyword or in a mapping, puts the same value on the wire under Gong's name."""
    for value in (one, other):
        for name in (snake, camel):
            rest = {key: item for key, item in gong.REQUIRED.items() if key != camel}
            for event in (ViewEvent(**rest, **{name: value}), ViewEvent.parse({**rest, name: value})):
                assert event.wire()[camel] == value
                assert hasattr(event, snake)


@pytest.mark.parametrize(
    ("model", "fields"), [(Actor, gong.ACTOR), (Sharer, gong.SHARER)], ids=["actor", "sharer"]
)
def test_a_persons_field_goes_through(model: type[Part], fields: list[tuple[str, str, Any, Any]]) -> None:
    """Whatever is said of a person reaches the wire as it was said."""
    for snake, camel, one, other in fields:
        for value in (one, other):
            part = model(**{snake: value})
            assert part.model_dump(mode="json", by_alias=True, exclude_none=True) == {camel: value}


def test_the_full_event_goes_through_unchanged() -> None:
    """What is written in Gong's form goes out in Gong's form, value for value; so does its snake_case twin."""
    event = gong.full()
    assert ViewEvent.parse(event).wire() == event
    assert ViewEvent.parse(json.dumps(event)).wire() == event
    assert ViewEvent.parse(gong.snaked(event, gong.SNAKE)).wire() == event


@pytest.mark.parametrize("system", gong.SYSTEMS)
def test_every_system_and_object_type_is_accepted(system: str) -> None:
    """The enums are Gong's, the two values with a comma among them."""
    calls = [
        {"system": system, "objects": [{"objectType": kind, "objectId": ""} for kind in gong.CALL_TYPES]}
    ]
    party = [
        {"system": system, "objects": [{"objectType": kind, "objectId": ""} for kind in gong.PARTY_TYPES]}
    ]
    wire = ViewEvent.parse({**gong.REQUIRED, "crmContext": calls, "viewer": {"context": party}}).wire()
    assert (wire["crmContext"], wire["viewer"]["context"]) == (calls, party)


@pytest.mark.parametrize("platform", gong.PLATFORMS)
def test_the_platforms_are_five_values(platform: str) -> None:
    """Gong's document writes them as one string; they are five, and the string is none of them."""
    assert ViewEvent.parse({**gong.REQUIRED, "agentPlatform": platform}).agent_platform == platform
    with pytest.raises(InvalidViewEvent, match=r'^agentPlatform: must be one of "Windows", "Linux"'):
        ViewEvent.parse({**gong.REQUIRED, "agentPlatform": ", ".join(gong.PLATFORMS)})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("crmContext", [{"system": "Generic", "objects": [{"objectType": "Lead,Contact", "objectId": "1"}]}]),
        ("viewer", {"context": [{"system": "Generic", "objects": [{"objectType": "Opportunity,Account"}]}]}),
        ("crmContext", [{"system": "salesforce"}]),
        ("eventProperties", [{"name": "n", "dataType": "number, string, url, date", "value": "v"}]),
        ("agentPlatform", "windows"),
    ],
)
def test_no_other_value_of_an_enum_is_accepted(field: str, value: Any) -> None:
    """A value that Gong's enum does not have is one that Gong refuses: the error lists those it has."""
    with pytest.raises(InvalidViewEvent, match=r'must be one of "'):
        ViewEvent.parse({**gong.REQUIRED, field: value})


@pytest.mark.parametrize("name", gong.REQUIRED)
def test_a_required_field_is_required(name: str) -> None:
    """Absent or null, the error names the field and only it."""
    for event in ({k: v for k, v in gong.REQUIRED.items() if k != name}, {**gong.REQUIRED, name: None}):
        with pytest.raises(InvalidViewEvent) as caught:
            ViewEvent.parse(event)
        assert [error["field"] for error in caught.value.errors] == [name]


@pytest.mark.parametrize(("field", "value", "path"), REQUIRED_OF_PARTS)
def test_a_required_field_of_a_part_is_required(field: str, value: Any, path: str) -> None:
    """What Gong's parts require is required, and found by its path."""
    with pytest.raises(InvalidViewEvent) as caught:
        ViewEvent.parse({**gong.REQUIRED, field: value})
    assert [error["field"] for error in caught.value.errors] == [path]


@pytest.mark.parametrize("name", ["reportingSystem", "contentId", "eventId"])
def test_any_text_is_an_id(name: str) -> None:
    """The schema asks for a string, so any string is taken as it is."""
    for odd in (" ", "\0", "x" * 5000, "é"):
        assert ViewEvent.parse({**gong.REQUIRED, name: odd}).wire()[name] == odd


@pytest.mark.parametrize("name", ["reportingSystem", "contentId", "contentUrl", "contentTitle"])
def test_a_required_text_may_be_empty(name: str) -> None:
    """The schema does not forbid it, so neither do we."""
    assert ViewEvent.parse({**gong.REQUIRED, name: ""}).wire()[name] == ""


def test_an_empty_event_id_is_none() -> None:
    """It would make all such events one: the id is derived as if it were absent."""
    assert ViewEvent.parse({**gong.REQUIRED, "eventId": ""}) == ViewEvent.parse(gong.REQUIRED)


def test_a_null_is_the_same_as_nothing() -> None:
    """Explicit nulls of optional fields vanish, at every level but inside free-form values."""
    names = [camel for _, camel, _, _ in gong.EVENT if camel not in gong.REQUIRED]
    assert ViewEvent.parse({**gong.REQUIRED, **dict.fromkeys(names)}) == ViewEvent.parse(gong.REQUIRED)
    wire = ViewEvent.parse({**gong.REQUIRED, "viewer": {"email": None, "context": None}}).wire()
    assert wire["viewer"] == {}


def test_a_tracking_id_excludes_a_viewer() -> None:
    """Gong takes one of the two; an explicit null is none."""
    for viewer in ({}, {"email": "a@example.com"}):
        for tracking in ("t", ""):
            with pytest.raises(InvalidViewEvent, match=r"^trackingId: must be absent"):
                ViewEvent.parse({**gong.REQUIRED, "viewer": viewer, "trackingId": tracking})
    assert "trackingId" not in ViewEvent.parse({**gong.REQUIRED, "viewer": {}, "trackingId": None}).wire()
    assert "viewer" not in ViewEvent.parse({**gong.REQUIRED, "viewer": None, "trackingId": "t"}).wire()
