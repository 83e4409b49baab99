"""The id of an event that has none: the same for the same event, today and in ten years."""

import hashlib

import pytest

from gong_views import EventKey, ViewEvent
from gong_views.canonical import payload_sha256
from tests.contract import examples as gong

CANONICAL = (
    '{"contentId":"doc_1","contentProperties":[{"dataType":"number","name":"Größe","value":3}],'
    '"contentTitle":"Features & Spec","contentUrl":"https://example.com/doc_1",'
    '"eventTimestamp":"2021-02-17T10:30:00Z","reportingSystem":"docs"}'
)
PINNED = "gv-869e85cb974a65ba4fad5040256880927302a24a"
SIZE = [{"name": "Größe", "dataType": "number", "value": 3}]
EVENT = {**gong.REQUIRED, "contentProperties": SIZE}


def test_a_derived_id_never_changes() -> None:
    """A release that derived another id would send twice what was retried across it: these two are for ever."""
    assert ViewEvent.parse(EVENT).event_id == f"gv-{hashlib.sha256(CANONICAL.encode()).hexdigest()[:40]}"
    assert ViewEvent.parse(EVENT).event_id == PINNED


@pytest.mark.parametrize(
    "twin",
    [
        {**EVENT, "eventTimestamp": "2021-02-17T10:30:00Z"},
        {**EVENT, "eventTimestamp": "2021-02-17T10:30:00.000+00:00"},
        {**EVENT, "contentProperties": [{**SIZE[0], "value": 3.0}]},
        {**EVENT, "contentProperties": [{**SIZE[0], "value": "3"}]},
        {**EVENT, "viewer": None, "eventId": None},
        dict(reversed(EVENT.items())),
        gong.snaked(EVENT, gong.SNAKE),
    ],
)
def test_one_event_written_differently_has_one_id(twin: dict[str, object]) -> None:
    """The instant counts, not its offset; the number, not its spelling; and neither order, case nor nulls."""
    assert ViewEvent.parse(twin).event_id == PINNED


@pytest.mark.parametrize(
    "other",
    [
        {"eventTimestamp": "2021-02-17T02:30:00.000000001-08:00"},
        {"contentTitle": "features & Spec"},
        {"reportingSystem": "docs "},
        {"viewer": {}},
        {"contentProperties": [{**SIZE[0], "value": 4}]},
        {"contentProperties": [{**SIZE[0], "dataType": "string", "value": "3"}]},
        {"contentProperties": [*SIZE, *SIZE]},
    ],
)
def test_another_event_has_another_id(other: dict[str, object]) -> None:
    """Any difference in what Gong is told makes another event: none is taken for a duplicate."""
    assert ViewEvent.parse({**EVENT, **other}).event_id != PINNED


def test_a_given_id_is_kept() -> None:
    """The reporting system's own id is the event's, and with the system's name its key."""
    event = ViewEvent.parse({**EVENT, "eventId": "e-1"})
    assert event.wire()["eventId"] == event.event_id == "e-1"
    assert event.key == EventKey("docs", "e-1") == ("docs", "e-1")


def test_a_changed_copy_is_another_event() -> None:
    """A template with another content must not keep the derived id, or it would count as a duplicate."""
    event = ViewEvent.parse(EVENT)
    changed = event.model_copy(update={"content_id": "doc_2"})
    assert changed.wire() == ViewEvent.parse({**EVENT, "contentId": "doc_2"}).wire()
    assert event.model_copy() == event == event.model_copy(deep=True)
    own = ViewEvent.parse({**EVENT, "eventId": "e-1"})
    assert own.model_copy(update={"content_id": "doc_2"}).event_id == "e-1"


def test_a_payload_has_one_hash_however_its_numbers_and_fields_are_written() -> None:
    """`3` and `3.0`, and any order of the fields, are one payload; another value is another."""
    payload = {
        "contentId": "doc_1",
        "crmContext": [{"fields": [{"value": 3}, {"value": {"a": 1, "b": -0.0}}]}],
    }
    twin = {"crmContext": [{"fields": [{"value": 3.0}, {"value": {"b": 0, "a": 1.0}}]}], "contentId": "doc_1"}
    assert payload_sha256(payload) == payload_sha256(twin)
    assert (
        payload_sha256(payload)
        == hashlib.sha256(
            b'{"contentId":"doc_1","crmContext":[{"fields":[{"value":3},{"value":{"a":1,"b":0}}]}]}'
        ).hexdigest()
    )
    for other in ("3", 3.5, True, None, [3]):
        assert payload_sha256({"value": other}) != payload_sha256({"value": 3})
