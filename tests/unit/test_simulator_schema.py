"""Laws of the simulator's own reading of Gong's schema."""

from typing import Any

import pytest

from gong_worker.simulator.schema import parse, problems_of
from tests.support.simulator import sample_event

FULL = sample_event(
    viewActionTitle="Viewed",
    shareId="s",
    viewInfoUrl="https://example.com/i",
    viewer={
        "email": "test@test.com",
        "name": "Test User",
        "title": "AE",
        "context": [
            {
                "system": "Salesforce",
                "objects": [
                    {
                        "objectType": "Lead,Contact",
                        "objectId": "1",
                        "fields": [{"name": "n", "value": {"a": [1]}}, {}],
                    }
                ],
            }
        ],
    },
    crmContext=[
        {"system": "HubSpot"},
        {"system": "Generic", "objects": [{"objectType": "Opportunity,Account", "objectId": "2"}]},
    ],
    contentProperties=[
        {"name": "pages", "value": 3.5, "dataType": "number"},
        {"name": "note", "value": "3.5", "dataType": "string"},
    ],
    eventProperties=[
        {"name": "when", "value": "2021-02-17T02:30:00-08:00", "dataType": "date"},
        {"name": "where", "value": "https://example.com/example?q=v", "dataType": "url"},
    ],
    userAgent="Mozilla/5.0",
    mobileAppId="app",
    agentPlatform="iOS",
    workspaceId="623457276584334",
    nonCompanyParticipants=[{}, {"email": "other@test.com"}],
    moreInfoUrl="https://example.com/m",
    actionName="view",
    sharer={"id": "234599484848423", "email": "s@test.com", "name": "Sharer"},
    sharingMessageSubject="Hi",
    sharingMessageBody="Look",
)


def test_every_field_of_the_contract_is_accepted() -> None:
    """A body with every documented field, each with a documented kind of value, has no problem."""
    assert problems_of(FULL) == []
    assert problems_of(sample_event(trackingId="t")) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"surprise": 1}, "surprise: is not a field"),
        ({"content_id": "doc"}, "content_id: is not a field"),
        ({"shareId": None}, "shareId: must not be null"),
        ({"shareId": 5}, "shareId: must be a string"),
        ({"contentTitle": "\ud800"}, "contentTitle: holds half"),
        ({"trackingId": "t", "viewer": {}}, "trackingId: must be absent"),
        ({"trackingId": None, "viewer": {}}, "trackingId: must not be null"),
        ({"agentPlatform": "Windows, Linux, MacOS, iOS, Android"}, "agentPlatform: must be one of"),
        ({"agentPlatform": "ios"}, "agentPlatform: must be one of"),
        ({"viewer": []}, "viewer: must be an object"),
        ({"viewer": {"phone": "1"}}, "viewer.phone: is not a field"),
        ({"viewer": {"context": [{"objects": []}]}}, "viewer.context[0].system: is required"),
        ({"viewer": {"context": [{"system": "Sales"}]}}, "viewer.context[0].system: must be one of"),
        ({"crmContext": {}}, "crmContext: must be an array"),
        ({"crmContext": [None]}, "crmContext[0]: must be an object"),
        (
            {
                "crmContext": [
                    {"system": "Generic", "objects": [{"objectType": "Lead,Contact", "objectId": "1"}]}
                ]
            },
            "crmContext[0].objects[0].objectType: must be one of",
        ),
        (
            {"crmContext": [{"system": "Generic", "objects": [{"objectType": "Lead"}]}]},
            "crmContext[0].objects[0].objectId: is required",
        ),
        ({"sharer": {"title": "x"}}, "sharer.title: is not a field"),
    ],
)
def test_what_the_contract_does_not_know_is_refused(changes: dict[str, Any], problem: str) -> None:
    """One wrong field gives one problem that names it."""
    (found,) = problems_of(sample_event(**changes))
    assert found.startswith(problem)


@pytest.mark.parametrize(
    "missing", ["contentId", "contentTitle", "contentUrl", "eventTimestamp", "reportingSystem", "eventId"]
)
def test_required_fields(missing: str) -> None:
    """A missing required field, eventId among them, is named."""
    event = sample_event()
    del event[missing]
    assert [problem.partition(":")[0] for problem in problems_of(event)] == [missing]


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("2021-08-01T08:00:00Z", True),
        ("2021-08-01T02:30:00+05:00", True),
        ("2021-08-01T02:30:00.123456789-08:00", True),
        ("2021-08-01T02:30Z", True),
        ("2021-08-01T08:00:00", False),
        ("2021-08-01 08:00:00Z", False),
        ("2021-08-01T08:00:00z", False),
        ("2021-08-01T08:00:00+0500", False),
        ("2021-08-01T08:00:00+19:00", False),
        ("2021-08-01T08:00:00+05:60", False),
        ("2021-02-30T08:00:00Z", False),
        ("2021-08-01T24:00:00Z", False),
        ("2021-08-01", False),
        ("٢٠٢١-08-01T08:00:00Z", False),
        ("2021-08-01T08:00:00Z\n", False),
        (1627804800, False),
    ],
)
def test_timestamps_need_an_offset_and_must_exist(value: Any, good: bool) -> None:
    """A timestamp is an existing ISO-8601 instant with an offset, nothing else."""
    assert (problems_of(sample_event(eventTimestamp=value)) == []) is good


@pytest.mark.parametrize(
    ("kind", "value", "good"),
    [
        ("number", 3, True),
        ("number", -3.14, True),
        ("number", "3.14", False),
        ("number", True, False),
        ("string", "", True),
        ("string", 3, False),
        ("date", "2021-02-17T02:30:00-08:00", True),
        ("date", "2021-02-17", False),
        ("url", "https://example.com", True),
        ("url", "example.com", False),
        ("number, string, url, date", "x", False),
        ("string", None, False),
    ],
)
def test_property_values_fit_their_data_type(kind: str, value: Any, good: bool) -> None:
    """A property's value has the JSON form that its dataType asks for."""
    event = sample_event(eventProperties=[{"name": "p", "value": value, "dataType": kind}])
    assert (problems_of(event) == []) is good


def test_problems_never_repeat_a_value() -> None:
    """What is said about a wrong field does not contain what was in it."""
    event = sample_event(
        viewer={"email": ["secret@test.com"]}, agentPlatform="secret", eventTimestamp="secret"
    )
    assert len(problems_of(event)) == 3
    assert "secret" not in str(problems_of(event))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff{}",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b'{"a": ' + b"[" * 200_000,
        "{}".encode("utf-16"),
    ],
)
def test_only_real_json_is_read(body: bytes) -> None:
    """A body that is not UTF-8 JSON, or repeats a field, is unreadable."""
    with pytest.raises(ValueError):
        parse(body)


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_a_body_is_an_object(body: Any) -> None:
    """Any other JSON value has one problem."""
    assert problems_of(body) == ["body: must be an object"]
