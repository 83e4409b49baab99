"""Values whose form depends on their type: properties, free-form CRM values, strings."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

import pytest

from gong_views import InvalidViewEvent, Property, ViewEvent
from tests.contract.examples import REQUIRED


class Count(IntEnum):
    """An int that is not quite one."""

    TWO = 2


class Word(StrEnum):
    """A string that is not quite one."""

    ONE = "one"


def sent(data_type: str, value: object) -> Any:
    event = ViewEvent.parse(
        {**REQUIRED, "eventProperties": [{"name": "n", "dataType": data_type, "value": value}]}
    )
    return json.loads(json.dumps(event.wire()))["eventProperties"][0]["value"]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, 0),
        (3, 3),
        (-3.14, -3.14),
        ("3.14", 3.14),
        ("+3", 3),
        ("-.5", -0.5),
        ("1e3", 1000),
        ("007", 7),
        ("3.0", 3),
        (Decimal("0.1"), 0.1),
        (Decimal("3.00"), 3),
        (Count.TWO, 2),
        (5517027188234205706, 5517027188234205706),
        ("5517027188234205706", 5517027188234205706),
        (Decimal("123456789012345678901234567890"), 123456789012345678901234567890),
        (10**300, 10**300),
        ("1e-999999", 0.0),
    ],
)
def test_a_number_goes_out_as_a_json_number(value: object, number: float) -> None:
    """Numbers and numeric texts become JSON numbers; integers of any length are exact."""
    assert sent("number", value) == number
    assert type(sent("number", value)) is type(number)


@pytest.mark.parametrize(
    "value",
    [
        *(
            True,
            False,
            "",
            " 3",
            "3 ",
            "three",
            "1_000",
            "1,000",
            "٣",
            "0x10",
            "NaN",
            "Infinity",
            "-inf",
            "1e999",
        ),
        *("1e99999999999999999999", float("nan"), float("inf"), Decimal("NaN"), Decimal("Infinity")),
        *(Decimal("1e9999"), 10**400, [3], {}, date(2021, 8, 1), b"3"),
    ],
)
def test_what_is_no_number_is_refused(value: object) -> None:
    """Neither true nor NaN nor "12 €" is a number that JSON has: the error names the property's value."""
    with pytest.raises(InvalidViewEvent, match=r"^eventProperties\[0\].value: must be a (finite )?number"):
        sent("number", value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2021-08-01", "2021-08-01"),
        ("20210801", "2021-08-01"),
        ("2021-W30-7", "2021-08-01"),
        (date(2021, 8, 1), "2021-08-01"),
        ("2021-02-17T02:30:00-08:00", "2021-02-17T02:30:00-08:00"),
        (datetime(2021, 8, 1, tzinfo=UTC), "2021-08-01T00:00:00Z"),
    ],
)
def test_a_date_goes_out_as_iso_8601(value: object, text: str) -> None:
    """A day needs no offset, a time does; date objects are written out."""
    assert sent("date", value) == text


@pytest.mark.parametrize(
    "value",
    ["", "soon", "2021-02-30", "01.08.2021", "2021-08-01T08:00:00", datetime(2021, 8, 1), 20210801, True],  # noqa: DTZ001
)
def test_what_is_no_date_is_refused(value: object) -> None:
    """No such day, no offset, no text: each is an error at the property's value."""
    with pytest.raises(InvalidViewEvent, match=r"^eventProperties\[0\].value: "):
        sent("date", value)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://example.com/example?q=v",
            "http://localhost:8080",
            "HTTPS://EXAMPLE.com/%20#f",
            "ftp://a/b",
        ),
        *("https://bücher.example/ü?q={x}|y", "https://u:p@[::1]:8080/", "mailto:a@example.com"),
    ],
)
def test_an_absolute_url_goes_out_as_it_is(url: str) -> None:
    """Valid URLs are accepted and not rewritten."""
    assert sent("url", url) == url


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "example.com",
            "/page",
            "//example.com",
            "https://",
            "https:example.com",
            "https:///x",
            "https://a b",
        ),
        *(
            " https://example.com",
            "https://example.com/a b",
            "https://example.com/\n",
            "https://[::1",
            3,
            None,
            [],
        ),
        "https://example.com:99999/",
    ],
)
def test_what_is_no_absolute_url_is_refused(value: object) -> None:
    """Relative, broken or spaced: Gong wants a valid URL."""
    with pytest.raises(InvalidViewEvent, match=r"^eventProperties\[0\].value: "):
        sent("url", value)


@pytest.mark.parametrize("value", [3, True, 3.14, [], {}, b"x", None])
def test_a_string_property_is_a_string(value: object) -> None:
    """Nothing is turned into text silently: the error says to convert it."""
    with pytest.raises(
        InvalidViewEvent, match=r"^eventProperties\[0\].value: (must be a string|is required)"
    ):
        sent("string", value)
    assert sent("string", Word.ONE) == "one"


def _field(value: object) -> Any:
    crm_object = {"objectType": "Account", "objectId": "1", "fields": [{"name": "n", "value": value}]}
    wire = ViewEvent.parse(
        {**REQUIRED, "crmContext": [{"system": "Generic", "objects": [crm_object]}]}
    ).wire()
    return wire["crmContext"][0]["objects"][0]["fields"][0].get("value", "absent")


@pytest.mark.parametrize(
    "value", ["Gong Inc.", "", 0, 10**30, 1.5, True, False, [], {}, {"a": [None, {"b": "ü"}]}]
)
def test_a_crm_fields_value_is_any_json(value: object) -> None:
    """Free-form values pass through, the nulls inside them included; a null value is none."""
    assert _field(value) == value
    assert type(_field(value)) is type(value)
    assert _field(None) == "absent"


def test_a_crm_fields_value_is_taken_as_it_was() -> None:
    """What the caller changes afterwards does not change the event, nor does a changed wire form."""
    value = {"a": [1]}
    crm_object = {"objectType": "Account", "objectId": "1", "fields": [{"value": value}]}
    event = ViewEvent.parse({**REQUIRED, "crmContext": [{"system": "Generic", "objects": [crm_object]}]})
    before = json.dumps(event.wire())
    value["a"].append(2)
    event.wire()["crmContext"][0]["objects"][0]["fields"][0]["value"]["a"].append(3)
    assert json.dumps(event.wire()) == before


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        {1: 2},
        {"a": {1, 2}},
        b"x",
        date(2021, 8, 1),
        object(),
        {"\ud800": 1},
        ["\ud800"],
    ],
)
def test_what_json_cannot_carry_is_refused(value: object) -> None:
    """It would fail in the worker, or at Gong: the error names the field here and now."""
    with pytest.raises(InvalidViewEvent, match=r"^crmContext\[0\].objects\[0\].fields\[0\].value"):
        _field(value)


def test_strings_are_not_made_of_other_things() -> None:
    """An id held as an integer is the caller's to convert: 1 and "1" and "01" are three ids."""
    with pytest.raises(InvalidViewEvent, match=r"^workspaceId: must be a string, not a number; convert it"):
        ViewEvent.parse({**REQUIRED, "workspaceId": 623457276584334})
    with pytest.raises(InvalidViewEvent, match=r"^contentTitle: must be a string, not a Python bytes"):
        ViewEvent.parse({**REQUIRED, "contentTitle": b"x"})
    assert ViewEvent.parse({**REQUIRED, "contentTitle": Word.ONE}).wire()["contentTitle"] == "one"


def test_half_a_surrogate_pair_is_refused() -> None:
    """UTF-8 cannot carry it: the error names the field, wherever it is."""
    for event, field in (
        ({"contentTitle": "\ud83d"}, "contentTitle"),
        ({"eventId": "\ud83d"}, "eventId"),
        ({"viewer": {"name": "\udc00"}}, "viewer.name"),
        ({"agentPlatform": "\udc00"}, "agentPlatform"),
        ({"viewer": {"\udc00": 1}}, "viewer"),
        ({"\udc00": 1}, r"\(event\)"),
    ):
        with pytest.raises(InvalidViewEvent, match=f"^{field}: holds a lone surrogate"):
            ViewEvent.parse({**REQUIRED, **event})


def test_a_list_is_a_list() -> None:
    """No set and no lone object: a set's order, and so the derived id, would differ between processes."""
    for value in ({"system": "Generic"}, "x", {1}, iter([])):
        with pytest.raises(InvalidViewEvent, match=r"^crmContext: must be a list"):
            ViewEvent.parse({**REQUIRED, "crmContext": value})
    properties = (Property(name="n", data_type="string", value="v"),)
    assert ViewEvent.parse({**REQUIRED, "eventProperties": properties}).wire()["eventProperties"] == [
        {"name": "n", "dataType": "string", "value": "v"}
    ]
