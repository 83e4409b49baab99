"""POST /v1/views: what goes in, what comes back."""

import json

import pytest

from tests.support.views import view
from tests.web.conftest import TestClient, queued


def test_one_event(client: TestClient, redis_url: str) -> None:
    """A 202 names the message that Redis has."""
    answer = client.post("/v1/views", json=view(1))
    assert answer.status_code == 202
    [accepted] = answer.json()["accepted"]
    assert accepted["index"] == 0
    assert accepted["eventId"] == "view-1"
    assert answer.json()["rejected"] == []
    [envelope] = queued(redis_url)
    assert envelope.message_id == accepted["messageId"]
    assert envelope.event == view(1)
    assert envelope.source == "http"


def test_an_event_without_id_gets_a_lasting_one(client: TestClient) -> None:
    """The same event sent twice without an eventId gets the same eventId twice."""
    event = view(1)
    del event["eventId"]
    ids = [client.post("/v1/views", json=event).json()["accepted"][0]["eventId"] for _ in range(2)]
    assert ids[0] == ids[1] != ""


def test_an_array_in_part_valid(client: TestClient, redis_url: str) -> None:
    """Of an array the valid events go in, and each of the others is told its errors by index."""
    answer = client.post("/v1/views", json=[view(0), {**view(1), "contentTitel": "x"}, 7, "{}", view(4)])
    assert answer.status_code == 202
    assert [accepted["index"] for accepted in answer.json()["accepted"]] == [0, 4]
    rejected = {entry["index"]: entry["errors"] for entry in answer.json()["rejected"]}
    assert list(rejected) == [1, 2, 3]
    assert rejected[1][0]["field"] == "contentTitel"
    assert rejected[2] == [{"field": "(event)", "message": "must be an object, not a number"}]
    assert [envelope.event["eventId"] for envelope in queued(redis_url)] == ["view-0", "view-4"]


@pytest.mark.parametrize(
    "kind", ["application/x-ndjson", "application/jsonl", "application/X-NDJSON; charset=utf-8"]
)
def test_ndjson(client: TestClient, redis_url: str, kind: str) -> None:
    """Lines count without the blank ones; one that is no JSON is rejected alone."""
    lines = [json.dumps(view(0)), "", '{"contentTitle": "cut', json.dumps(view(2)) + "\r"]
    answer = client.post("/v1/views", content="\n".join(lines), headers={"Content-Type": kind})
    assert answer.status_code == 202
    assert [accepted["index"] for accepted in answer.json()["accepted"]] == [0, 2]
    assert [entry["index"] for entry in answer.json()["rejected"]] == [1]
    assert len(queued(redis_url)) == 2


def test_unicode_line_separators_do_not_split(client: TestClient) -> None:
    """A line separator that JSON allows inside of a string does not end a line of NDJSON."""
    content = json.dumps(view(0, contentTitle="one\u2028two\x85three"), ensure_ascii=False).encode()
    answer = client.post("/v1/views", content=content, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 202
    assert answer.json()["rejected"] == []


@pytest.mark.parametrize("body", [{"contentId": "x"}, [{"contentId": "x"}, 3]])
def test_nothing_valid(client: TestClient, redis_url: str, body: object) -> None:
    """422, in the same form, when every event is invalid; nothing is enqueued."""
    answer = client.post("/v1/views", json=body)
    assert answer.status_code == 422
    assert answer.json()["accepted"] == []
    assert len(answer.json()["rejected"]) == (1 if isinstance(body, dict) else 2)
    assert queued(redis_url) == []


def test_lanes(client: TestClient, redis_url: str) -> None:
    """The lane is live unless it is said to be bulk."""
    assert client.post("/v1/views?lane=bulk", json=view(1)).status_code == 202
    assert client.post("/v1/views?lane=live", json=view(2)).status_code == 202
    assert len(queued(redis_url, "bulk")) == len(queued(redis_url, "live")) == 1


@pytest.mark.parametrize("query", ["lane=fast", "lane=", "lane=live&lane=bulk", "lanes=bulk"])
def test_a_wrong_query_is_said(client: TestClient, redis_url: str, query: str) -> None:
    """A lane that is not known, or a parameter that is not, never ends on the live lane unnoticed."""
    assert client.post(f"/v1/views?{query}", json=view(1)).status_code == 400
    assert queued(redis_url) == []


@pytest.mark.parametrize(
    "content",
    [
        b"", b"  ", b"[]", b"7", b'"text"', b"null", b"{", b"\xff\xfe{}", b'{"a": NaN}', b"[" * 100_000,
        b"[" + b"9" * 5000 + b"]x", b'{"contentTitle": "Dana Whitfield"',
    ],
)  # fmt: skip
def test_unreadable(client: TestClient, content: bytes) -> None:
    """400, with a reason that repeats nothing of the body, for what is no event and no list of events."""
    answer = client.post("/v1/views", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Dana" not in answer.json()["detail"]


def test_lone_surrogates_are_answered(client: TestClient) -> None:
    """Text that is no valid Unicode, in a name or a value, is rejected and not a server error."""
    for field in ("contentTitle", "eventId", "\\ud800"):
        others = {name: value for name, value in view(1).items() if name != field}
        event = json.dumps(others)[:-1] + f', "{field}": "\\ud800"}}'
        answer = client.post("/v1/views", content=event, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, field


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_another_content_type(client: TestClient, headers: dict[str, str]) -> None:
    """415 for a type, a character set or an encoding that is not read here."""
    assert client.post("/v1/views", content=b"{}", headers=headers).status_code == 415


def test_no_personal_data_in_errors(client: TestClient) -> None:
    """An answer about an invalid event does not repeat the viewer's name and address."""
    event = view(1, viewer={"email": "dana.whitfield", "name": 7, "title": "Buyer of Globex"}, trackingId="t")
    answer = client.post("/v1/views", json=event)
    assert answer.status_code == 422
    assert "dana" not in answer.text
    assert "Globex" not in answer.text


def test_other_paths_answer_in_the_same_form(client: TestClient) -> None:
    """404 and 405 are problems, a 405 says what is allowed, and no redirect follows the Host header."""
    for path in ("/nothing", "/v1/views/"):
        answer = client.post(path, headers={"Host": "elsewhere.example"}, follow_redirects=False)
        assert answer.status_code == 404
        assert answer.json() == {
            "type": "about:blank", "title": "Not Found", "status": 404, "detail": "Not Found",
        }  # fmt: skip
    answer = client.get("/v1/views")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
