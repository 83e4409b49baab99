"""When something was viewed: the instant and the offset, from any spelling."""

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from gong_views import InvalidViewEvent, ViewEvent
from tests.contract.examples import REQUIRED

KEPT = [
    "2021-02-17T02:30:00-08:00",
    "2021-08-01T08:00:00Z",
    "2021-08-01T08:00:00+00:00",
    "2021-08-01T08:00:00.5Z",
    "2021-08-01T08:00:00.500Z",
    "2021-08-01T08:00:00.123456789+05:30",
    "0002-01-01T00:00:00+18:00",
]
REWRITTEN = [
    ("2021-08-01 08:00:00Z", "2021-08-01T08:00:00Z"),
    ("2021-08-01t08:00:00z", "2021-08-01T08:00:00Z"),
    ("20210801T080000+0500", "2021-08-01T08:00:00+05:00"),
    ("2021-08-01T08:00+05", "2021-08-01T08:00:00+05:00"),
    ("2021-W30-7T08:00:00Z", "2021-08-01T08:00:00Z"),
    ("2021-08-01T08:00:00,25Z", "2021-08-01T08:00:00.25Z"),
    ("2021-07-31T24:00:00Z", "2021-08-01T00:00:00Z"),
    ("2021-08-01T08:00:00.1234567891Z", "2021-08-01T08:00:00.123456789Z"),
    ("2021-08-01T08:00:00.5+05:00:30", "2021-08-01T02:59:30.5Z"),
    ("2021-08-01T08:00:00.123000456+19:00", "2021-07-31T13:00:00.123000456Z"),
]
REFUSED = [
    ("2021-08-01T08:00:00", "has no offset"),
    ("2021-08-01", "is not an ISO 8601"),
    ("yesterday", "is not an ISO 8601"),
    ("", "is not an ISO 8601"),
    ("1627804800", "is not an ISO 8601"),
    ("2021-08-01T08:00:00Z ", "is not an ISO 8601"),
    ("٢٠٢١-08-01T08:00:00Z", "is not an ISO 8601"),
    ("2021-02-30T08:00:00Z", "is not a date and time that exists"),
    ("2021-08-01T25:00:00Z", "is not a date and time that exists"),
    ("2021-08-01T24:00:01Z", "is not a date and time that exists"),
    ("2021-08-01T08:00:60Z", "is not a date and time that exists"),
    ("2021-08-01T08:00:00+24:00", "is not a date and time that exists"),
    ("9999-12-31T24:00:00Z", "is not a date and time that exists"),
    ("0001-01-01T00:00:00+05:00", "lies outside the years"),
    (1627804800, "must be an ISO 8601 text"),
    (datetime(2021, 8, 1), "has no offset"),  # noqa: DTZ001
    ("2021-08-01T08:00:00." + "1" * 200 + "Z", "is not an ISO 8601"),
]


def sent(value: object) -> str:
    return str(ViewEvent(**{**REQUIRED, "eventTimestamp": value}).wire()["eventTimestamp"])


@pytest.mark.parametrize("text", KEPT)
def test_rfc_3339_goes_out_as_it_came_in(text: str) -> None:
    """Offset and digits are the reporter's, to the last zero."""
    assert sent(text) == text


@pytest.mark.parametrize(("text", "wire"), REWRITTEN)
def test_other_spellings_become_rfc_3339(text: str, wire: str) -> None:
    """Whatever ISO 8601 allows is understood; Gong gets the one form that every parser reads."""
    assert sent(text) == wire
    assert sent(wire) == wire


@pytest.mark.parametrize(("value", "message"), REFUSED)
def test_what_is_no_instant_is_refused_with_the_mend(value: object, message: str) -> None:
    """No offset, no such day, no time at all: the error says which."""
    with pytest.raises(InvalidViewEvent, match=f"^eventTimestamp: {message}"):
        sent(value)


def test_aware_datetimes_are_accepted() -> None:
    """A datetime goes out with its own offset; an offset that RFC 3339 cannot write becomes UTC."""
    moment = datetime(2021, 8, 1, 8, 0, 0, 250_000, UTC)
    assert sent(moment) == "2021-08-01T08:00:00.25Z"
    assert sent(moment.astimezone(ZoneInfo("Asia/Karachi"))) == "2021-08-01T13:00:00.25+05:00"
    assert sent(moment.astimezone(timezone(timedelta(hours=1, seconds=7)))) == "2021-08-01T08:00:00.25Z"


def test_the_attribute_is_an_aware_datetime() -> None:
    """The event's timestamp calculates, copies and pickles like any datetime, and keeps its text."""
    event = ViewEvent(**{**REQUIRED, "eventTimestamp": "2021-08-01T08:00:00.123456789Z"})
    moment = event.event_timestamp
    assert moment == datetime(2021, 8, 1, 8, 0, 0, 123_456, UTC)
    later = moment + timedelta(hours=1)
    assert pickle.loads(pickle.dumps(later)) == copy.copy(later) == later
    assert sent(later) == "2021-08-01T09:00:00.123456Z"
    for twin in (pickle.loads(pickle.dumps(event)), copy.deepcopy(event)):
        assert twin == event
        assert twin.wire() == event.wire()
