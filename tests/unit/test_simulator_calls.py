"""Laws of the simulator's ordinary answers, asked over real HTTP."""

import json
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import httpx
import pytest

from gong_worker.simulator import SimulatorClient, SimulatorError, max_in_sliding_second, running_simulator
from tests.support.servers import wait_until
from tests.support.simulator import PATH, gong_client, sample_event


def outcomes(sim: SimulatorClient) -> list[str]:
    return [entry["outcome"] for entry in sim.log()]


def raw_request(event_id: str, extra: bytes = b"") -> bytes:
    body = json.dumps(sample_event(event_id)).encode()
    return (
        b"PUT " + PATH.encode() + b" HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer sim-token\r\n"
        b"Content-Type: application/json\r\n" + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body
    )


def connected(sim: SimulatorClient) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(sim.url.rpartition(":")[2])), timeout=30)


def exchanged(sim: SimulatorClient, sent: bytes) -> bytes:
    """What comes back for these bytes, until the simulator closes."""
    with connected(sim) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_accepted_once_then_conflict(sim: SimulatorClient, gong: httpx.Client) -> None:
    """The first report of a key is accepted, later ones are a 409; another system's key is another event."""
    first = gong.put(PATH, json=sample_event())
    again = gong.put(PATH, json=sample_event(contentTitle="Another"))
    other = gong.put(PATH, json=sample_event(reportingSystem="other"))
    assert [first.status_code, again.status_code, other.status_code] == [200, 409, 200]
    assert first.json().keys() == {"requestId", "integrationId"}
    assert again.json().keys() == {"requestId", "errors"}
    integration = first.json()["integrationId"]
    assert 2**53 < integration < 2**63
    assert int(float(integration)) != integration
    assert sim.accepted() == {("tests", "e-1"), ("other", "e-1")}
    entries = sim.log()
    assert [entry["outcome"] for entry in entries] == ["accepted", "duplicate", "accepted"]
    assert [entry["request_id"] for entry in entries] == [
        r.json()["requestId"] for r in (first, again, other)
    ]
    assert [entry["status"] for entry in entries] == [200, 409, 200]
    assert entries[0]["key"] == ["tests", "e-1"]


def test_every_answer_has_a_date_and_keeps_the_connection(sim: SimulatorClient, gong: httpx.Client) -> None:
    """Answers of every kind carry a right Date and keep the connection alive."""
    sim.settings(per_day=3)
    for body in (sample_event(), sample_event(), {}, sample_event("e-2")):
        answer = gong.put(PATH, json=body)
        assert answer.headers["connection"] == "keep-alive"
        age = parsedate_to_datetime(answer.headers["date"]).timestamp() - sim.log()[-1]["arrived_at"]
        assert -2 < age < 10
    assert outcomes(sim) == ["accepted", "duplicate", "refused", "throttled"]


@pytest.mark.parametrize(
    "header",
    [
        "", "Basic", "Basic c2ltLWtleTpzaW0tc2VjcmV0eA==", "Bearer", "Bearer sim-tokeN", "Bearer  sim-token",
        "sim-token", "Digest sim-token",
    ],
)  # fmt: skip
def test_wrong_credentials_are_refused(sim: SimulatorClient, header: str) -> None:
    """Anything but the credential gives 401 with Gong's error body, and accepts nothing."""
    with gong_client(sim.url, auth=None) as client:
        answer = client.put(PATH, json=sample_event(), headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.json().keys() == {"requestId", "errors"}
    assert outcomes(sim) == ["unauthorized"]
    assert sim.accepted() == set()


def test_credentials_change_while_it_runs(sim: SimulatorClient) -> None:
    """Basic and Bearer both pass, and new credentials replace the old ones at once."""
    with gong_client(sim.url, auth=None) as client:

        def status(event_id: str, token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return client.put(PATH, json=sample_event(event_id), headers=headers).status_code

        assert status("a", "sim-token") == 200
        sim.settings(bearer_token="new")
        assert status("b", "sim-token") == 401
        assert status("b", "new") == 200
        sim.settings(bearer_token=None, access_key="k2", access_key_secret="s:2")
        assert status("c", "new") == 401
        assert client.put(PATH, json=sample_event("c"), auth=("k2", "s:2")).status_code == 200
        assert client.put(PATH, json=sample_event("d"), auth=("sim-key", "sim-secret")).status_code == 401


def test_wrong_bodies_are_refused(sim: SimulatorClient, gong: httpx.Client) -> None:
    """A body outside the contract gives 400 with errors that name the fields, and is not accepted."""
    answer = gong.put(PATH, json=sample_event(nope=1, shareId=None))
    assert answer.status_code == 400
    assert [line.partition(":")[0] for line in answer.json()["errors"]] == ["nope", "shareId"]
    json_type = {"Content-Type": "application/json"}
    assert gong.put(PATH, content=b"{", headers=json_type).status_code == 400
    assert gong.put(PATH, content=b"", headers=json_type).status_code == 400
    assert (
        gong.put(PATH, content=json.dumps(sample_event()), headers={"Content-Type": "text/plain"}).status_code
        == 415
    )
    assert gong.put(PATH, json=sample_event(), headers={"Content-Encoding": "gzip"}).status_code == 415
    assert outcomes(sim) == ["refused"] * 5
    assert sim.accepted() == set()


def test_not_strict_takes_any_json(sim: SimulatorClient, gong: httpx.Client) -> None:
    """With strict off any JSON is accepted; keys are still accepted once."""
    sim.settings(strict=False)
    event = {"reportingSystem": "s", "eventId": "e", "nope": None}
    assert [gong.put(PATH, json=event).status_code for _ in range(2)] == [200, 409]
    assert [gong.put(PATH, json={}).status_code for _ in range(2)] == [200, 200]


def test_other_paths_and_methods(sim: SimulatorClient, gong: httpx.Client) -> None:
    """Only PUT on the one path is an API; other calls get 404 and 405 and are logged."""
    assert gong.put("/v2/nothing", json=sample_event()).status_code == 404
    assert gong.put("/prefix" + PATH, json=sample_event()).status_code == 404
    assert gong.post(PATH, json=sample_event()).status_code == 405
    assert outcomes(sim) == ["refused"] * 3


def test_bodies_are_bounded(sim: SimulatorClient, gong: httpx.Client) -> None:
    """A body over the limit gives 413, with and without Content-Length; the simulator goes on."""
    big = sample_event(contentTitle="x" * 1_100_000)
    assert gong.put(PATH, json=big).status_code == 413
    chunks = (json.dumps(big).encode() for _ in range(1))
    assert gong.put(PATH, content=chunks, headers={"Content-Type": "application/json"}).status_code == 413
    assert gong.put(PATH, json=sample_event(contentTitle="x" * 1_000_000)).status_code == 200


def test_over_the_second(sim: SimulatorClient) -> None:
    """Calls over the limit get 429 with Retry-After, are logged as throttled, and accept nothing."""
    sim.settings(per_second=2, retry_after=17)
    calls = b"".join(raw_request(f"e-{n}") for n in range(3)) + raw_request("e-3", b"Connection: close\r\n")
    received = exchanged(sim, calls)
    assert re.findall(rb"HTTP/1.1 (\d+) ", received) == [b"200", b"200", b"429", b"429"]
    assert re.findall(rb"Retry-After: (\d+)", received) == [b"17", b"17"]
    assert outcomes(sim) == ["accepted", "accepted", "throttled", "throttled"]
    assert sim.accepted() == {("tests", "e-0"), ("tests", "e-1")}
    assert max_in_sliding_second(entry["arrived_monotonic"] for entry in sim.log()) == 4
    assert sim.stats()["max_in_sliding_second"] == 4


def test_calls_inside_a_retry_after_are_told(sim: SimulatorClient, gong: httpx.Client) -> None:
    """A call made while a Retry-After still runs is counted and marked, one before it is not."""
    sim.fault("status", status=429, headers={"Retry-After": "600"})
    assert gong.put(PATH, json=sample_event()).status_code == 429
    told_at = sim.log()[-1]["arrived_monotonic"]

    def late_enough() -> bool:
        gong.put(PATH, json=sample_event())
        return bool(sim.log()[-1]["arrived_monotonic"] > told_at + 0.3)

    wait_until(late_enough, "a call inside the Retry-After")
    assert sim.log()[-1]["early"] is True
    assert "early" not in sim.log()[0]
    assert sim.stats()["inside_retry_after"] >= 1


def test_two_calls_in_flight_for_one_key_are_seen(sim: SimulatorClient) -> None:
    """Two calls at once for one key are counted; two keys at once are only two in flight."""
    sim.fault("hang", times=None)
    with connected(sim) as first, connected(sim) as second, connected(sim) as third:
        first.sendall(raw_request("a"))
        second.sendall(raw_request("b"))
        wait_until(lambda: sim.stats()["in_flight"] == 2, "two calls in flight")
        assert sim.stats()["concurrent_same_key"] == 0
        third.sendall(raw_request("a"))
        wait_until(lambda: sim.stats()["in_flight"] == 3, "three calls in flight")
    wait_until(lambda: sim.stats()["in_flight"] == 0, "the hang-ups to be seen")
    stats = sim.stats()
    assert (stats["concurrent_same_key"], stats["max_in_flight_same_key"], stats["max_in_flight"]) == (
        1,
        2,
        3,
    )


def test_a_call_given_up_is_not_in_flight(sim: SimulatorClient) -> None:
    """A client that hangs up and tries the same key again at once never has two calls in flight."""
    sim.settings(latency_ms=[30_000, 30_000])
    for attempt in range(20):
        with connected(sim) as connection, connected(sim) as spare:
            connection.sendall(raw_request("e-1"))
            wait_until(lambda n=2 * attempt: sim.stats()["calls"] > n, "the call to arrive")
            connection.close()
            spare.sendall(raw_request("e-1"))
            wait_until(lambda n=2 * attempt: sim.stats()["calls"] > n + 1, "the second call to arrive")
    assert sim.stats()["concurrent_same_key"] == 0
    assert outcomes(sim) == ["accepted"] + ["duplicate"] * 39


def test_pipelined_calls_are_answered_in_order(sim: SimulatorClient) -> None:
    """Calls sent in one write are each counted and answered in order on the one connection."""
    calls = b"".join(raw_request(f"p-{n}") for n in range(5)) + raw_request("p-0", b"Connection: close\r\n")
    received = exchanged(sim, calls)
    assert re.findall(rb"HTTP/1.1 (\d+) ", received) == [b"200"] * 5 + [b"409"]
    assert [entry["key"][1] for entry in sim.log()] == [f"p-{n}" for n in range(5)] + ["p-0"]
    assert sim.stats()["max_in_sliding_second"] == 6


def test_a_request_that_breaks_off_is_logged(sim: SimulatorClient) -> None:
    """A client that goes away in the middle of its body leaves a call marked incomplete, and no event."""
    with connected(sim) as connection:
        connection.sendall(raw_request("e-1")[:-5])
    wait_until(lambda: outcomes(sim) == ["incomplete"], "the call to be logged")
    assert sim.accepted() == set()


def test_not_http_is_answered_with_400(sim: SimulatorClient) -> None:
    """Bytes that are no HTTP get a 400 and the connection is closed."""
    assert exchanged(sim, b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_client_that_asks_first_is_told_to_go_on(sim: SimulatorClient) -> None:
    """Expect: 100-continue is honoured before the body is read."""
    head, _, body = raw_request("e-1", b"Connection: close\r\nExpect: 100-continue\r\n").partition(
        b"\r\n\r\n"
    )
    with connected(sim) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_latency_is_applied(sim: SimulatorClient, gong: httpx.Client) -> None:
    """Latency delays the answer, inbound latency also the arrival."""
    sim.settings(latency_ms=[150, 160])
    assert gong.put(PATH, json=sample_event("a")).elapsed.total_seconds() >= 0.15
    sim.settings(latency_ms=[0, 0], inbound_latency_ms=[150, 160])
    assert gong.put(PATH, json=sample_event("b")).elapsed.total_seconds() >= 0.15


def test_the_log_can_be_read_on(sim: SimulatorClient, gong: httpx.Client) -> None:
    """`since` gives only later calls, numbered without gaps; reset empties the log."""
    for number in range(5):
        gong.put(PATH, json=sample_event(f"e-{number}"))
    assert [entry["number"] for entry in sim.log()] == [1, 2, 3, 4, 5]
    assert [entry["number"] for entry in sim.log(since=3)] == [4, 5]
    sim.reset()
    assert sim.log() == []
    assert gong.put(PATH, json=sample_event("e-0")).status_code == 200


def test_admin_mistakes_are_told(sim: SimulatorClient) -> None:
    """A wrong setting, fault or path is refused with what is wrong, and changes nothing."""
    before = sim.settings()
    with pytest.raises(SimulatorError, match="per_secnd"):
        sim.settings(per_secnd=1)
    with pytest.raises(SimulatorError, match="first number"):
        sim.settings(latency_ms=[2, 1])
    with pytest.raises(SimulatorError, match="kind"):
        sim.fault("explode")
    with pytest.raises(SimulatorError, match="garbage does not take seconds"):
        sim.fault("garbage", seconds=1)
    with pytest.raises(SimulatorError, match="status needs status"):
        sim.fault("status")
    assert httpx.get(sim.url + "/_sim/nothing", trust_env=False).status_code == 404
    assert httpx.get(sim.url + "/_sim/log?since=x", trust_env=False).status_code == 400
    assert httpx.post(sim.url + "/_sim/settings", content=b"[1]", trust_env=False).status_code == 400
    assert sim.settings() == before
    assert sim.faults() == []
    assert sim.stats()["calls"] == 0


def test_many_clients_at_once(sim: SimulatorClient) -> None:
    """The same events from several clients at once: each key accepted once, every call logged."""
    barrier = threading.Barrier(4)

    def client(_number: int) -> list[int]:
        with gong_client(sim.url) as http:
            barrier.wait(20)
            return [http.put(PATH, json=sample_event(f"m-{n}")).status_code for n in range(25)]

    with ThreadPoolExecutor(4) as pool:
        statuses = [status for result in pool.map(client, range(4)) for status in result]
    assert statuses.count(200) == 25
    assert statuses.count(409) == 75
    assert sim.stats()["outcomes"] == {"accepted": 25, "duplicate": 75}


def test_it_stops_and_frees_its_port() -> None:
    """A stopped in-process simulator refuses connections and another may take its port."""
    with running_simulator() as first, gong_client(first.url) as client:
        assert client.put(PATH, json=sample_event()).status_code == 200
        port = int(first.url.rpartition(":")[2])
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/_sim/stats", trust_env=False)
    with running_simulator(port=port) as second:
        assert second.stats()["calls"] == 0
        with pytest.raises(OSError), running_simulator(port=port):
            raise AssertionError("the port is taken")
