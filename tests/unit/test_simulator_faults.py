"""Laws of the simulator's faults: each kind does to a real client what it says, and no more."""

import gzip
import json
import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from gong_worker.simulator import SimulatorClient
from tests.support.servers import wait_until
from tests.support.simulator import PATH, gong_client, sample_event

# A reset that hits while httpx still writes the body is an error to the write (which httpx passes over) and
# a plain end to the read after it.
RESET = (httpx.NetworkError, httpx.RemoteProtocolError)


def put(gong: httpx.Client, event_id: str = "e-1", **changes: Any) -> int:
    return gong.put(PATH, json=sample_event(event_id, **changes)).status_code


@pytest.mark.parametrize(
    ("rule", "error", "accepted"),
    [
        ({"kind": "lost_reply"}, httpx.RemoteProtocolError, True),
        ({"kind": "lost_reply", "reset": True}, httpx.ReadError, True),
        ({"kind": "reset_before"}, RESET, False),
        ({"kind": "reset_before", "match": {"eventId": "e-1"}}, RESET, False),
        ({"kind": "reset_after"}, httpx.ReadError, False),
        ({"kind": "reset_after", "reset": False}, httpx.RemoteProtocolError, False),
        ({"kind": "half_answer"}, httpx.RemoteProtocolError, True),
        ({"kind": "half_answer", "fraction": 0.95}, httpx.RemoteProtocolError, True),
        # A trickled byte restarts httpx's read timeout, so the pause between two has to be the longer one.
        ({"kind": "trickle", "seconds": 5}, httpx.ReadTimeout, True),
        ({"kind": "hang"}, httpx.ReadTimeout, True),
        ({"kind": "hang", "accept": False}, httpx.ReadTimeout, False),
        ({"kind": "hang", "accept": False, "seconds": 0.1}, httpx.RemoteProtocolError, False),
        ({"kind": "delay", "seconds": 60}, httpx.ReadTimeout, True),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_the_answer_never_arrives(
    sim: SimulatorClient, rule: dict[str, Any], error: Any, accepted: bool
) -> None:
    """The client sees the kind's error, the event is taken as the kind says, the next call is answered."""
    sim.fault(**rule)
    timeout = httpx.Timeout(30, read=0.5 if error is httpx.ReadTimeout else 30)
    with gong_client(sim.url, timeout=timeout) as gong, pytest.raises(error):
        put(gong)
    wait_until(lambda: sim.stats()["in_flight"] == 0, "the call to end")
    (entry,) = sim.log()
    assert entry["outcome"] == f"fault:{rule['kind']}"
    assert entry["accepted"] is accepted
    assert entry["status"] == (200 if rule["kind"] in {"trickle", "delay"} else None)
    assert (("tests", "e-1") in sim.accepted()) is accepted
    with gong_client(sim.url) as gong:
        assert put(gong) == (409 if accepted else 200)


def test_half_an_answer_is_a_prefix(sim: SimulatorClient) -> None:
    """A cut within the body shows the client a status and headers, but not the whole body."""
    sim.fault("half_answer", fraction=0.95)
    with gong_client(sim.url) as gong, gong.stream("PUT", PATH, json=sample_event()) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()


def test_trickle_ends_with_the_whole_answer(sim: SimulatorClient, gong: httpx.Client) -> None:
    """A patient client gets every byte, one at a time, and keeps its connection."""
    sim.fault("trickle", seconds=0.001)
    answer = gong.put(PATH, json=sample_event())
    assert answer.json()["integrationId"]
    assert answer.elapsed.total_seconds() > 0.1
    assert put(gong) == 409


def test_delay_answers_late(sim: SimulatorClient, gong: httpx.Client) -> None:
    """A delayed call is answered honestly after the delay."""
    sim.fault("delay", seconds=0.2)
    started = time.monotonic()
    assert put(gong) == 200
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("accept", [None, True])
def test_status_replaces_the_answer(sim: SimulatorClient, gong: httpx.Client, accept: bool | None) -> None:
    """Any status, header and body; the event is dropped, or taken when the rule says so."""
    sim.fault(
        "status",
        status=502,
        headers={"Content-Type": "text/html", "X-Edge": "1"},
        body="<h1>Bad</h1>",
        accept=accept,
    )
    answer = gong.put(PATH, json=sample_event())
    assert (answer.status_code, answer.text) == (502, "<h1>Bad</h1>")
    assert (answer.headers["content-type"], answer.headers["x-edge"]) == ("text/html", "1")
    assert put(gong) == (409 if accept else 200)


def test_status_without_a_body_has_gongs(sim: SimulatorClient, gong: httpx.Client) -> None:
    """Without a body the answer is Gong's error body; headers such as Retry-After and Location are kept."""
    sim.fault("status", status=429, headers={"Retry-After": "3"})
    sim.fault("status", status=301, headers={"Location": "https://example.com/"})
    sim.fault("status", status=200, body={"odd": True})
    answers = [gong.put(PATH, json=sample_event()) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [429, 301, 200, 200]
    sim.fault("status", status=204)
    assert gong.put(PATH, json=sample_event()).content == b""
    assert put(gong) == 409
    assert answers[0].headers["retry-after"] == "3"
    assert answers[0].json().keys() == {"requestId", "errors"}
    assert answers[1].headers["location"] == "https://example.com/"
    assert answers[2].json() == {"odd": True}
    assert [entry["accepted"] for entry in sim.log()] == [False, False, False, True, False, False]


def test_reject_names_its_errors(sim: SimulatorClient, gong: httpx.Client) -> None:
    """A rejected event gets 400 with the errors and a requestId, for ever when so told."""
    sim.fault("reject", times=None, match={"contentId": "bad"}, errors=["contentId: unknown"])
    for _ in range(2):
        answer = gong.put(PATH, json=sample_event(contentId="bad"))
        assert answer.status_code == 400
        assert answer.json()["errors"] == ["contentId: unknown"]
        assert answer.json()["requestId"] == sim.log()[-1]["request_id"]
    assert put(gong) == 200


def test_odd_bodies_are_accepted_events(sim: SimulatorClient, gong: httpx.Client) -> None:
    """gzip, huge, garbage and mistyped answers are all 200s to events that are taken."""
    sim.fault("gzip")
    answer = gong.put(PATH, json=sample_event("gzip"))
    assert (answer.headers["content-encoding"], answer.json()["requestId"]) == (
        "gzip",
        sim.log()[-1]["request_id"],
    )

    sim.fault("gzip", megabytes=3)
    with gong.stream("PUT", PATH, json=sample_event("bomb")) as streamed:
        raw = b"".join(streamed.iter_raw())
    assert len(raw) < 100_000
    assert len(gzip.decompress(raw)) == pytest.approx(3_000_000, abs=100)

    sim.fault("huge_body", megabytes=2)
    answer = gong.put(PATH, json=sample_event("huge"))
    assert len(answer.content) == pytest.approx(2_000_000, abs=100)
    assert answer.json()["integrationId"]

    sim.fault("garbage")
    answer = gong.put(PATH, json=sample_event("garbage"))
    with pytest.raises(ValueError):
        answer.json()

    sim.fault("wrong_content_type")
    answer = gong.put(PATH, json=sample_event("type"))
    assert answer.headers["content-type"] == "text/plain"
    assert answer.json()["integrationId"]

    assert {event_id for _, event_id in sim.accepted()} == {"gzip", "bomb", "huge", "garbage", "type"}
    assert {entry["status"] for entry in sim.log()} == {200}


def test_a_huge_body_may_be_left_unread(sim: SimulatorClient) -> None:
    """A client that stops reading a huge answer ends the call, and nothing else."""
    sim.fault("huge_body", megabytes=30)
    with gong_client(sim.url) as gong, gong.stream("PUT", PATH, json=sample_event()) as answer:
        assert answer.status_code == 200
    wait_until(lambda: sim.stats()["in_flight"] == 0, "the call to end")
    with gong_client(sim.url) as gong:
        assert put(gong) == 409


def test_wrong_date(sim: SimulatorClient, gong: httpx.Client) -> None:
    """The Date is off by the given seconds, and an HTTP-date Retry-After counts from that Date."""
    sim.fault("wrong_date", seconds=-7200)
    answer = gong.put(PATH, json=sample_event())
    assert answer.status_code == 200
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == pytest.approx(
        time.time() - 7200, abs=30
    )
    sim.fault("wrong_date", seconds=86_400, status=429, retry_after=5)
    answer = gong.put(PATH, json=sample_event("e-2"))
    assert answer.status_code == 429
    date, until = (parsedate_to_datetime(answer.headers[name]) for name in ("date", "retry-after"))
    assert (until - date).total_seconds() == 5
    assert date.timestamp() == pytest.approx(time.time() + 86_400, abs=30)
    assert sim.accepted() == {("tests", "e-1")}


def test_times_skip_and_order(sim: SimulatorClient, gong: httpx.Client) -> None:
    """A rule lets `skip` calls through, fires `times` times, and is then spent; the first rule wins."""
    sim.fault("status", status=500, times=2, skip=1)
    sim.fault("status", status=503, times=1, skip=1)
    assert [put(gong, f"e-{n}") for n in range(6)] == [200, 500, 500, 503, 200, 200]
    assert [(rule["seen"], rule["fired"]) for rule in sim.faults()] == [(3, 2), (2, 1)]


def test_probability_is_a_seeded_coin(sim: SimulatorClient, gong: httpx.Client) -> None:
    """A rule with a probability fires for some calls, the same ones for the same seed."""
    runs = []
    for _ in range(2):
        sim.reset()
        sim.settings(seed=42)
        sim.fault("status", status=500, times=None, probability=0.5)
        runs.append([put(gong, f"e-{n}") for n in range(30)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


def test_match_and_removal(sim: SimulatorClient, gong: httpx.Client) -> None:
    """A rule strikes only matching events, exact or by prefix, until it is removed."""
    first = sim.fault("status", status=500, times=None, match={"eventIdPrefix": "bad-"})
    sim.fault("status", status=503, times=None, match={"contentId": "c", "reportingSystem": "tests"})
    assert put(gong, "bad-1") == 500
    assert put(gong, "good-bad-1") == 200
    assert put(gong, "e-2", contentId="c") == 503
    assert put(gong, "e-2", contentId="c", reportingSystem="other") == 200
    sim.clear_faults(first)
    assert put(gong, "bad-1") == 200
    sim.clear_faults()
    assert put(gong, "e-2", contentId="c") == 200


def test_refused_calls_spend_no_fault(sim: SimulatorClient, gong: httpx.Client) -> None:
    """A call over the limit or without credentials gets its honest refusal and leaves the rule for later."""
    sim.fault("lost_reply")
    sim.settings(per_day=0)
    assert put(gong) == 429
    sim.settings(per_day=None)
    with gong_client(sim.url, auth=None) as nobody:
        assert put(nobody) == 401
    with pytest.raises(httpx.RemoteProtocolError):
        put(gong)


def test_faults_keep_the_dedupe(sim: SimulatorClient, gong: httpx.Client) -> None:
    """A fault that takes events judges them honestly: a repeat is not accepted again, a bad one never."""
    assert put(gong) == 200
    sim.fault("wrong_content_type", times=None)
    assert put(gong) == 409
    assert put(gong, "e-2", nope=1) == 400
    assert [entry["accepted"] for entry in sim.log()] == [True, False, False]
