"""The message format: what is built is read back, and nothing else can break the reader."""

import base64
import bz2
import contextlib
import json
import lzma
import traceback
import zlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gong_views.message import (
    CURRENT_VERSION,
    MAX_BODY_BYTES,
    MAX_REPLAY_OF,
    MAX_SOURCE_CHARACTERS,
    UnreadableMessage,
    build,
    parse,
    parse_body,
)
from gong_views.names import TASK_NAME, Lane
from tests.support.views import sized_view, view

NOW = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)
HEADERS = {"task": TASK_NAME, "id": "m-1"}
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


def item(body: Any = None, *, raw_body: Any = None, **changes: Any) -> str:
    """A queue item as a stock producer with plain text bodies would write it."""
    message = {
        "body": json.dumps(body) if raw_body is None else raw_body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": dict(HEADERS),
        "properties": {"delivery_tag": "t"},
    }
    message.update(changes)
    return json.dumps(message)


@given(
    event=st.dictionaries(texts, values, max_size=6),
    lane=st.sampled_from(Lane),
    at=st.datetimes(
        min_value=NOW.replace(year=1971, tzinfo=None),
        max_value=NOW.replace(year=2198, tzinfo=None),
        timezones=st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
    ),
    source=st.none() | texts.filter(lambda text: len(text) <= MAX_SOURCE_CHARACTERS),
    replay_of=st.none() | st.integers(1, MAX_REPLAY_OF),
)
def test_what_is_built_is_read_back(
    event: Any, lane: Lane, at: datetime, source: Any, replay_of: Any
) -> None:
    """Every field that goes into a message comes out of it as it was."""
    message_id, raw = build(event, lane, enqueued_at=at, source=source, replay_of=replay_of)
    envelope = parse(raw)
    assert envelope == parse(raw.encode())
    assert (envelope.message_id, envelope.version) == (message_id, CURRENT_VERSION)
    assert (envelope.event, envelope.enqueued_at) == (event, at)
    assert (envelope.source, envelope.replay_of) == (source, replay_of)
    assert envelope.counted and envelope.eta is None


def test_a_given_message_id_is_kept_and_each_item_has_a_tag_of_its_own() -> None:
    """Two items of one message are acknowledged each for itself."""
    items = [json.loads(build(view(), Lane.BULK, enqueued_at=NOW, message_id="m-7")[1]) for _ in range(2)]
    assert [one["headers"]["id"] for one in items] == ["m-7", "m-7"]
    assert len({one["properties"]["delivery_tag"] for one in items}) == 2
    assert items[0]["properties"]["delivery_info"] == {"exchange": "", "routing_key": "gong-views.bulk"}


def test_a_time_without_an_offset_is_refused() -> None:
    """No message carries a time that could mean two moments."""
    with pytest.raises(ValueError, match="offset"):
        build(view(), Lane.LIVE, enqueued_at=NOW.replace(tzinfo=None))


def test_nothing_personal_is_outside_of_the_body() -> None:
    """Headers and properties, which Celery logs, hold nothing of the event."""
    _, raw = build(sized_view(), Lane.LIVE, enqueued_at=NOW, source="shop")
    message = json.loads(raw)
    del message["body"]
    assert "globex" not in json.dumps(message) and "Dana" not in json.dumps(message)
    assert message["headers"]["kwargsrepr"] == message["headers"]["argsrepr"] == "-"


@pytest.mark.parametrize("number", range(0, 5000, 500))
def test_a_message_takes_at_most_one_and_a_half_times_its_payload(number: int) -> None:
    """775 bytes of payload take at most 1,162 bytes in Redis, whatever the event's text."""
    event = sized_view(number)
    assert len(json.dumps(event, separators=(",", ":"))) == 775
    _, raw = build(event, Lane.LIVE, enqueued_at=NOW, source="checkout-service", replay_of=1_000_000)
    assert len(raw) <= 1.5 * 775


@pytest.mark.parametrize(
    "body",
    [
        [[], {"event": {"a": 1}}, {}],
        [[], {"event": {"a": 1}}],
        [[], {"version": 1, "event": {"a": 1}}, None],
        [[{"a": 1}], {}, {"callbacks": None}],
        [[{"a": 1}], {"version": 1}, {}],
    ],
)
def test_version_1_is_what_a_stock_celery_producer_sends(body: Any) -> None:
    """The event comes as keyword or as the one argument; nothing is known of when and by whom."""
    envelope = parse(item(body))
    assert (envelope.version, envelope.event, envelope.message_id) == (1, {"a": 1}, "m-1")
    assert (envelope.enqueued_at, envelope.source, envelope.replay_of) == (None, None, None)
    assert not envelope.counted


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("application/x-gzip", zlib.compress),
        ("application/x-bz2", bz2.compress),
        ("application/x-lzma", lzma.compress),
    ],
)
def test_a_stock_producer_may_compress(name: str, pack: Any) -> None:
    """The bodies of Celery's `task_compression` gzip, bzip2 and lzma are read."""
    body = base64.b64encode(pack(json.dumps([[], {"event": {"a": 1}}, {}]).encode())).decode()
    raw = item(
        raw_body=body,
        headers={**HEADERS, "compression": name},
        properties={"delivery_tag": "t", "body_encoding": "base64"},
    )
    assert parse(raw).event == {"a": 1}


def test_an_eta_is_told() -> None:
    """What `countdown` and `eta` ask for reaches the worker in UTC."""
    headers = {**HEADERS, "eta": "2026-07-01T14:00:00+02:00"}
    assert parse_body(headers, [], {"event": {}}).eta == datetime(2026, 7, 1, 12, tzinfo=UTC)


SECRET = "dana@globex.example"
GOOD = [[], {"event": {"who": SECRET}}, {}]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"\xff\xfe", "no JSON"),
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('"dana@globex.example"', "no JSON object"),
        (json.dumps({"body": SECRET}), "no headers"),
        (item(GOOD, headers={**HEADERS, "task": SECRET}), "not for the task"),
        (item(GOOD, headers={"task": TASK_NAME}), "no id"),
        (item(GOOD, headers={**HEADERS, "id": ""}), "no id"),
        (item(GOOD, headers={**HEADERS, "id": "x" * 256}), "id is longer"),
        (item(GOOD, headers={**HEADERS, "eta": "9999-12-31T23:59:59Z"}), "eta is not within"),
        (item([[], {"event": {}, "enqueued_at": "0001-01-01T00:00:00Z"}, {}]), "enqueued_at is not within"),
        (item([[], {"event": {}, "enqueued_at": "2200-01-01T00:00:00Z"}, {}]), "enqueued_at is not within"),
        *[
            (item([[], {"event": {}, "replay_of": number}, {}]), "replay_of")
            for number in (2**63, 10**400, 0, -1, True)
        ],
        (item([[], {"event": {}, "source": "x" * 256}, {}]), "source"),
        (item(GOOD) + " " * 2 * MAX_BODY_BYTES, "item is longer"),
        (item(GOOD, **{"content-type": "application/x-python-serialize"}), "content type"),
        (item(GOOD, properties={"body_encoding": "rot13"}), "body encoding"),
        (item(raw_body="%%%", properties={"body_encoding": "base64"}), "base64"),
        (item(raw_body=3), "no body"),
        (item(raw_body=SECRET), "the body is no JSON"),
        (item({"event": {"who": SECRET}}), "args, kwargs"),
        (item([SECRET, {}, {}]), "args, kwargs"),
        (item([[], {"event": SECRET}, {}]), "no JSON object"),
        (item([[], {}, {}]), "no JSON object"),
        (item([[{}, {}], {}, {}]), "one event"),
        (item([[{}], {"event": {}}, {}]), "one event"),
        (item([[{}], {"version": 2}, {}]), "one event"),
        (item([[], {"event": {}, "version": 3}, {}]), "version"),
        (item([[], {"event": {}, "version": True}, {}]), "version"),
        (item([[], {"event": {}, "version": "2"}, {}]), "version"),
        (item([[], {"event": {}, SECRET: 1}, {}]), "arguments"),
        (item([[], {"event": {}, "enqueued_at": SECRET}, {}]), "enqueued_at"),
        (item([[], {"event": {}, "enqueued_at": 3}, {}]), "enqueued_at"),
        (item([[], {"event": {}, "replay_of": "1"}, {}]), "replay_of"),
        (item([[], {"event": {}, "source": 1}, {}]), "source"),
        (item(GOOD, headers={**HEADERS, "eta": "soon"}), "eta"),
        (
            item(
                raw_body="AAAA",
                headers={**HEADERS, "compression": "application/x-gzip"},
                properties={"body_encoding": "base64"},
            ),
            "decompressed",
        ),
        (
            item(
                raw_body="AAAA",
                headers={**HEADERS, "compression": "application/zstd"},
                properties={"body_encoding": "base64"},
            ),
            "compression is unknown",
        ),
    ],
)
def test_what_cannot_be_read_is_said_without_the_payload(raw: Any, says: str) -> None:
    """An unreadable item raises one error that names the fault and repeats nothing of the content."""
    with pytest.raises(UnreadableMessage, match=says) as caught:
        parse(raw)
    assert SECRET not in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value, limit=0))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (item([[], {"event": {}}], headers={**HEADERS, "id": "half \ud83d"}), "id is no valid Unicode"),
        (item([[], {"event": {}, "source": "half \ud83d", "version": 2}]), "source is no text"),
        (item(raw_body='[[],{"event":{"x":' + "[" * 300 + "]" * 300 + "}}]"), "deeper than 200 levels"),
        (item(raw_body='[[],{"event":' + '{"a":' * 300 + "1" + "}" * 300 + "}]"), "deeper than 200 levels"),
    ],
)
def test_what_could_not_be_written_again_is_not_read(raw: str, says: str) -> None:
    """Half a character in a message's id, or a body nested so deep that writing it would run out of stack."""
    with pytest.raises(UnreadableMessage, match=says):
        parse(raw)


def test_many_brackets_are_not_deep() -> None:
    """An event of many small objects is read, whatever their number."""
    event = {"x": [{"a": [n]} for n in range(500)]}
    assert parse(item([[], {"event": event}])).event == event


def test_a_small_item_cannot_unpack_into_all_of_the_memory() -> None:
    """A body that decompresses beyond the bound is unreadable, and is not decompressed further."""
    bomb = base64.b64encode(zlib.compress(b" " * (MAX_BODY_BYTES + 2))).decode()
    raw = item(
        raw_body=bomb,
        headers={**HEADERS, "compression": "application/x-gzip"},
        properties={"body_encoding": "base64"},
    )
    with pytest.raises(UnreadableMessage, match="longer than"):
        parse(raw)


@given(raw=st.binary(max_size=200) | values.map(json.dumps))
def test_any_bytes_are_read_or_unreadable(raw: bytes | str) -> None:
    """No content of a queue item raises anything but UnreadableMessage."""
    with pytest.raises(UnreadableMessage):
        parse(raw)


@given(
    headers=st.fixed_dictionaries(
        {}, optional={"id": values, "task": values, "eta": values, "gong_views": values}
    ),
    args=st.lists(values, max_size=2),
    kwargs=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("event", "version", "source", "replay_of", "enqueued_at", "other"), values),
    ),
)
def test_any_arguments_are_read_or_unreadable(headers: Any, args: Any, kwargs: Any) -> None:
    """No arguments that Celery may have decoded raise anything but UnreadableMessage."""
    with contextlib.suppress(UnreadableMessage):
        assert isinstance(parse_body(headers, args, kwargs).event, dict)
