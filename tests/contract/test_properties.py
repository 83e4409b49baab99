"""Laws that hold for every event, tried on generated ones."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gong_views import InvalidViewEvent, ViewEvent
from tests.contract import examples as gong
from tests.contract.strategies import EVENT

few = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@few
@given(EVENT)
def test_what_gongs_schema_accepts_is_accepted_and_sent_as_it_is(event: dict[str, Any]) -> None:
    """Never refused, never changed: only an event id is added where there is none."""
    wire = ViewEvent.parse(event).wire()
    assert {**wire, "eventId": event.get("eventId")} == {**event, "eventId": event.get("eventId")}


@few
@given(EVENT)
def test_the_wire_form_read_again_is_the_same_wire_form(event: dict[str, Any]) -> None:
    """A worker that parses what a producer queued sends exactly that, through JSON of either encoding."""
    wire = ViewEvent.parse(event).wire()
    for ascii_only in (True, False):
        text = json.dumps(wire, ensure_ascii=ascii_only)
        assert json.dumps(ViewEvent.parse(text).wire()) == json.dumps(wire)
        assert ViewEvent.parse(text.encode()).wire() == wire
    assert ViewEvent.parse(wire) == ViewEvent.parse(event)


@few
@given(EVENT, st.randoms(use_true_random=False))
def test_the_id_does_not_depend_on_how_the_event_is_written(event: dict[str, Any], random: Any) -> None:
    """Key order, spelling, explicit nulls and whole floats make no other event."""
    event.pop("eventId", None)
    twin = gong.snaked(_shuffled(event, random), gong.SNAKE)
    twin |= {name: None for name in ("share_id", "sharer", "event_id") if name not in twin}
    assert ViewEvent.parse(twin).event_id == ViewEvent.parse(event).event_id


@few
@given(EVENT, st.data())
def test_an_unknown_field_is_named_wherever_it_is(event: dict[str, Any], data: st.DataObject) -> None:
    """One field too many at any depth: one error, with its path."""
    places = list(_objects(event, ""))
    place, target = data.draw(st.sampled_from(places))
    target["zzUnknown"] = 1
    with pytest.raises(InvalidViewEvent) as caught:
        ViewEvent.parse(event)
    assert [error["field"] for error in caught.value.errors] == [f"{place}.zzUnknown".removeprefix(".")]


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=5)
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | ANY_TEXT
    | st.binary(max_size=3)
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ANY_TEXT | st.integers(), inner, max_size=2),
    max_leaves=4,
)


@few
@given(EVENT, st.data())
def test_whatever_comes_in_is_an_event_or_an_invalid_one(event: dict[str, Any], data: st.DataObject) -> None:
    """Junk at any place is refused with InvalidViewEvent, or fit to be sent: nothing else is ever raised."""
    _, target = data.draw(st.sampled_from(list(_objects(event, ""))))
    target[data.draw(st.sampled_from([*target, "value", "fields"]) | ANY_TEXT)] = data.draw(JUNK)
    try:
        wire = ViewEvent.parse(event).wire()
    except InvalidViewEvent as error:
        assert error.errors
        assert str(error).encode()
    else:
        assert ViewEvent.parse(json.dumps(wire, allow_nan=False, ensure_ascii=False).encode()).wire() == wire


def _shuffled(value: Any, random: Any) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        random.shuffle(items)
        return {key: _shuffled(item, random) for key, item in items}
    if isinstance(value, list):
        return [_shuffled(item, random) for item in value]
    return float(value) if type(value) is int and abs(value) < 2**53 else value


def _objects(value: Any, path: str) -> Any:
    """Every object of the contract in an event, free-form values not among them."""
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            if key != "value":
                yield from _objects(item, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _objects(item, f"{path}[{index}]")
