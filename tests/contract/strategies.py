"""Hypothesis strategies for events that Gong's schema accepts."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from tests.contract import examples as gong

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
ID = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
NUMBER = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
_OFFSET = st.integers(-18 * 60, 18 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENT = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 (the zones are drawn)
    max_value=datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=_OFFSET | st.just(UTC),
)


@st.composite
def rfc_3339(draw: st.DrawFn) -> str:
    """A time to the second, with up to nine digits after it, and an offset."""
    moment = draw(MOMENT).replace(microsecond=0)
    text = moment.isoformat()
    digits = draw(st.text("0123456789", max_size=9))
    offset = draw(st.sampled_from(["Z", "+00:00"])) if text.endswith("+00:00") else text[19:]
    return f"{text[:19]}{'.' if digits else ''}{digits}{offset}"


def some(
    required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    """An object with the required fields and any of the optional ones."""
    return st.fixed_dictionaries(required, optional=optional)


def _context(types: list[str]) -> st.SearchStrategy[Any]:
    value = JSON.filter(lambda found: found is not None)
    fields = st.lists(some({}, name=TEXT, value=value), max_size=2)
    crm_object = some({"objectType": st.sampled_from(types), "objectId": TEXT}, fields=fields)
    return st.lists(
        some({"system": st.sampled_from(gong.SYSTEMS)}, objects=st.lists(crm_object, max_size=2)), max_size=2
    )


def _property(data_type: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"name": TEXT, "dataType": st.just(data_type), "value": value})


_WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)
PROPERTY = (
    _property("number", NUMBER)
    | _property("string", TEXT)
    | _property("url", st.builds("https://{}.example/{}?q={}#{}".format, _WORD, _WORD, _WORD, _WORD))
    | _property("date", rfc_3339() | st.dates().map(lambda day: day.isoformat()))
)
PROPERTIES = st.lists(PROPERTY, max_size=2)
ACTOR = some({}, email=TEXT, name=TEXT, title=TEXT, context=_context(gong.PARTY_TYPES))
_STRINGS = [
    camel
    for _, camel, value, _ in gong.EVENT
    if isinstance(value, str) and camel not in {*gong.REQUIRED, "eventId", "agentPlatform"}
]
EVENT = some(
    {
        "reportingSystem": ID,
        "eventTimestamp": rfc_3339(),
        "contentId": ID,
        "contentUrl": TEXT,
        "contentTitle": TEXT,
    },
    eventId=ID,
    viewer=ACTOR,
    crmContext=_context(gong.CALL_TYPES),
    contentProperties=PROPERTIES,
    eventProperties=PROPERTIES,
    agentPlatform=st.sampled_from(gong.PLATFORMS),
    nonCompanyParticipants=st.lists(ACTOR, max_size=2),
    sharer=some({}, id=TEXT, email=TEXT, name=TEXT),
    **dict.fromkeys(_STRINGS, TEXT),
).map(lambda event: {k: v for k, v in event.items() if k != "trackingId" or "viewer" not in event})
