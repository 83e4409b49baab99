"""Events from text: JSON as backends, files and queues hold it, and everything that is none."""

import json
from collections import UserDict
from typing import Any

import pytest

from gong_views import InvalidViewEvent, ViewEvent
from gong_views.json_input import MAX_EVENT_BYTES, MAX_TEXT_BYTES, JsonError, read_array, read_json
from gong_views.timestamps import Timestamp
from tests.contract.examples import REQUIRED

TEXT = json.dumps(REQUIRED)
PADDING = MAX_EVENT_BYTES


def crm(value: str) -> str:
    """An event whose free-form value is this JSON text."""
    crm_object = '{"objectType": "Account", "objectId": "1", "fields": [{"value": ' + value + "}]}"
    return TEXT[:-1] + ', "crmContext": [{"system": "Generic", "objects": [' + crm_object + "]}]}"


@pytest.mark.parametrize(
    "text", [TEXT, TEXT.encode(), bytearray(TEXT.encode()), "\ufeff" + TEXT, f" {TEXT}\r\n"]
)
def test_json_text_and_bytes_are_read(text: Any) -> None:
    """With or without a byte order mark, a line's end or white space around."""
    assert ViewEvent.parse(text) == ViewEvent.parse(REQUIRED)


def test_any_mapping_is_read() -> None:
    """A mapping need not be a dict, at any level."""
    viewer = UserDict({"email": "a@example.com"})
    assert ViewEvent.parse(UserDict(REQUIRED | {"viewer": viewer})).wire()["viewer"] == dict(viewer)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "is not valid JSON: Expecting value"),
        (b"", "is not valid JSON"),
        (TEXT[:-1], "is not valid JSON"),
        (TEXT + TEXT, "is not valid JSON: Extra data"),
        ("[]", "must be an object, not a list"),
        ("null", "must be an object, not null"),
        ('"x"', "must be an object, not a string"),
        ("3", "must be an object, not a number"),
        (b"\xff\xfe{}", "is not UTF-8"),
        (crm("NaN"), "holds NaN"),
        (crm("-Infinity"), "holds -Infinity"),
        (crm('{"a": 1, "a": 2}'), "has an object with the same name twice"),
        ("[" * 9_999, "is nested too deeply"),
        ("[" * 200_000, "holds more than 10,000 values"),
        ('{"viewer":' * 200_000, "holds more than 10,000 values"),
        (None, "must be an object, not null"),
        ([REQUIRED], "must be an object, not a list"),
        ({1: 2}, "has a field whose name is not a string"),
        pytest.param(object(), "must be an object, not a Python object", id="an object of no JSON kind"),
        (TEXT + " " * MAX_TEXT_BYTES, "is longer than"),
        ({**REQUIRED, "sharingMessageBody": "x" * PADDING}, "is longer than"),
        ({**REQUIRED, "sharingMessageBody": "ü" * (PADDING // 2)}, "is longer than"),
    ],
    ids=lambda value: str(value)[:25],
)
def test_what_is_no_event_is_one_clear_error(data: Any, message: str) -> None:
    """Broken, huge or bottomless: InvalidViewEvent about the whole event, and nothing else."""
    with pytest.raises(InvalidViewEvent) as caught:
        ViewEvent.parse(data)
    assert [error["field"] for error in caught.value.errors] == ["(event)"]
    assert caught.value.errors[0]["message"].startswith(message)


def test_a_free_form_value_may_be_deep_but_not_bottomless() -> None:
    """A hundred levels pass; more, or a cycle, is an error at the field."""
    assert ViewEvent.parse(crm("[" * 100 + "]" * 100)).wire()["crmContext"]
    cycle: list[Any] = []
    cycle.append(cycle)
    deep = json.loads(crm("0"))
    deep["crmContext"][0]["objects"][0]["fields"][0]["value"] = cycle
    for data in (crm("[" * 101 + "]" * 101), deep):
        with pytest.raises(InvalidViewEvent, match=r"fields\[0\].value: is nested deeper than 100 levels"):
            ViewEvent.parse(data)


def test_an_endless_number_is_an_error_at_its_field() -> None:
    """Python reads no integer of five thousand digits: the field that holds it is named all the same."""
    for digits in ("9" * 5000, "1e400"):
        with pytest.raises(InvalidViewEvent, match=r"fields\[0\].value: must be a finite number"):
            ViewEvent.parse(crm(digits))
    assert (
        ViewEvent.parse(crm("9" * 300)).wire()["crmContext"][0]["objects"][0]["fields"][0]["value"]
        == 10**300 - 1
    )


def test_a_large_event_passes() -> None:
    """Half a megabyte of message body is the user's business."""
    body = "x" * 500_000
    assert ViewEvent.parse({**REQUIRED, "sharingMessageBody": body}).wire()["sharingMessageBody"] == body


def test_an_interrupt_is_no_fault_of_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of an event interrupts; it does not make a valid event an invalid one."""

    def interrupted(_stamp: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(Timestamp, "text", property(interrupted, lambda _stamp, _text: None), raising=False)
    with pytest.raises(KeyboardInterrupt):
        ViewEvent.parse(REQUIRED)


@pytest.mark.parametrize("text", ["[]", " [ ] ", "[1]", "\ufeff[1 , {}\n]\t", '[{"a": "]"}, [], "[,", null]'])
def test_an_array_is_read_item_by_item(text: str) -> None:
    """The items are those of the whole text, whatever white space and brackets are between and within them."""
    assert list(read_array(text)) == read_json(text) == list(read_array(text.encode()))


def test_an_array_is_read_only_as_far_as_it_is_asked_for() -> None:
    """A caller with a limit never pays for what is behind it; what is before a broken place has been given."""
    items = read_array("[" + "{}," * 1000 + "nonsense")
    assert [next(items) for _ in range(1000)] == [{}] * 1000
    with pytest.raises(JsonError, match="not valid JSON"):
        next(items)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[", "[1", "[1,", "[1,]", "[1 2]", "[1]]", "[1] x", "[,1]", "[NaN]", '[{"a":1,"a":2}]', b"[\"\xff\"]",
     "[" * 200_000],
    ids=lambda text: str(text)[:12],
)  # fmt: skip
def test_what_is_no_array_is_refused_without_repeating_it(text: str | bytes) -> None:
    """Whatever the whole reader refuses, the reader of items refuses too, and an object besides."""
    with pytest.raises(JsonError):
        list(read_array(text))
    if text != "{}":
        with pytest.raises(JsonError):
            read_json(text)
