"""The Gong client against the simulator's misbehaviour."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from gong_worker.domain.outcomes import (
    AlreadyReported,
    Ambiguous,
    Delivered,
    Misconfigured,
    Rejected,
    ServerError,
    Throttled,
    Unauthorized,
    Unreachable,
)
from gong_worker.gong import GongClient
from gong_worker.gong_auth import basic, bearer
from gong_worker.simulator import Simulator, running_simulator
from tests.support.servers import free_port, wait_until

EVENT: dict[str, Any] = {
    "reportingSystem": "tests",
    "eventTimestamp": "2026-01-05T09:00:00Z",
    "contentId": "c-1",
    "contentUrl": "https://content.example/c-1",
    "contentTitle": "One",
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with running_simulator(per_second=None, per_day=None) as running:
        yield running


@pytest.fixture
def client(simulator: Simulator) -> Iterator[GongClient]:
    made = GongClient(basic(simulator.url, "sim-key", "sim-secret"), timeout_seconds=2)
    yield made
    made.close()


def event(name: str) -> dict[str, Any]:
    return EVENT | {"eventId": name}


def test_accepted_then_already_reported(client: GongClient) -> None:
    """A 2xx is Delivered with both ids exact, the same event again AlreadyReported."""
    first, second = client.send(event("a")), client.send(event("a"))
    assert isinstance(first.outcome, Delivered)
    assert first.outcome.request_id
    assert first.outcome.integration_id is not None
    assert first.outcome.integration_id > 2**53
    assert first.written_at is not None
    assert isinstance(second.outcome, AlreadyReported)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (201, Delivered), (204, Ambiguous), (301, Misconfigured), (302, Misconfigured), (400, Rejected),
        (401, Unauthorized), (403, Unauthorized), (404, Misconfigured), (405, Misconfigured),
        (408, ServerError), (409, AlreadyReported), (413, Rejected), (415, Rejected), (418, Misconfigured),
        (422, Rejected), (429, Throttled), (500, ServerError), (502, ServerError), (503, ServerError),
        (599, ServerError),
    ],
)  # fmt: skip
def test_every_status_has_its_outcome(
    client: GongClient, simulator: Simulator, status: int, expected: type
) -> None:
    """The table of status codes: nothing but a 2xx with Gong's requestId or a 409 counts as Gong having the event."""
    simulator.fault("status", status=status, headers={"Location": "https://elsewhere.example/"})
    assert type(client.send(event("a")).outcome) is expected


def test_a_refusal_keeps_gongs_own_words(client: GongClient, simulator: Simulator) -> None:
    """A 400 carries Gong's errors and requestId to the dead letter."""
    simulator.fault("reject", errors=["contentUrl is not reachable", "and more"])
    outcome = client.send(event("a")).outcome
    assert isinstance(outcome, Rejected)
    assert outcome.errors == ("contentUrl is not reachable", "and more")
    assert outcome.request_id


def test_retry_after_is_read(client: GongClient, simulator: Simulator) -> None:
    """The wait of a 429 comes from its header; a wrong clock on the server does not change it."""
    simulator.fault("status", status=429, headers={"Retry-After": "7"})
    simulator.fault("wrong_date", seconds=-86400, status=429, retry_after=9)
    first, second = client.send(event("a")).outcome, client.send(event("b")).outcome
    assert isinstance(first, Throttled)
    assert isinstance(second, Throttled)
    assert first.retry_after_seconds == 7
    assert second.retry_after_seconds == 9


@pytest.mark.parametrize("kind", ["lost_reply", "reset_after", "half_answer", "hang"])
def test_no_whole_answer_is_never_a_success_nor_unsent(
    client: GongClient, simulator: Simulator, kind: str
) -> None:
    """When the request went out and no status came back, nobody knows: Ambiguous."""
    simulator.fault(kind, **({"fraction": 0.01} if kind == "half_answer" else {}))
    assert isinstance(client.send(event("a")).outcome, Ambiguous)


def test_a_refused_connection_sent_nothing() -> None:
    """Nobody listening: Unreachable, which costs the event no attempt."""
    client = GongClient(basic(f"http://127.0.0.1:{free_port()}", "k", "s"), timeout_seconds=2)
    client.warm()
    assert isinstance(client.send(event("a")).outcome, Unreachable)


PORTAL = "<!doctype html><title>Down for maintenance</title>"


@pytest.mark.parametrize(
    ("kind", "rule", "second"),
    [
        ("status", {"status": 200, "body": PORTAL}, Delivered),
        ("status", {"status": 200, "body": ""}, Delivered),
        ("status", {"status": 200, "body": {"requestId": ""}}, Delivered),
        ("status", {"status": 200, "body": {"requestId": 7}}, Delivered),
        ("status", {"status": 200, "body": ["requestId"]}, Delivered),
        ("garbage", {}, AlreadyReported),
        ("gzip", {"megabytes": 1}, AlreadyReported),
        ("huge_body", {"megabytes": 5}, AlreadyReported),
        ("half_answer", {"fraction": 0.9}, AlreadyReported),
    ],
)
def test_a_2xx_that_is_not_gongs_settles_nothing(
    client: GongClient, simulator: Simulator, kind: str, rule: dict[str, Any], second: type
) -> None:
    """A 2xx without a requestId in a whole JSON body is Ambiguous; the next call finds out what became of it."""
    simulator.fault(kind, **rule)
    first = client.send(event("a")).outcome
    assert isinstance(first, Ambiguous)
    assert first.http_status == 200
    assert isinstance(client.send(event("a")).outcome, second)


@pytest.mark.parametrize(("kind", "rule"), [("gzip", {}), ("wrong_content_type", {})])
def test_a_2xx_of_gongs_in_another_dress_counts(
    client: GongClient, simulator: Simulator, kind: str, rule: dict[str, Any]
) -> None:
    """A packed body or a wrong content type is still Gong's answer when the requestId is in it."""
    simulator.fault(kind, **rule)
    assert isinstance(client.send(event("a")).outcome, Delivered)


@pytest.mark.parametrize("strange", ["--5", "\u0661", "9" * 30, 1e300, {}, True])
def test_a_strange_integration_id_is_none(client: GongClient, simulator: Simulator, strange: object) -> None:
    """An integrationId that is no 64-bit integer is left out; the event is delivered all the same."""
    simulator.fault("status", status=200, body={"requestId": "r", "integrationId": strange})
    assert client.send(event("a")).outcome == Delivered(200, "r", None)


def test_a_trickle_ends_at_the_deadline(client: GongClient, simulator: Simulator) -> None:
    """A server that sends a byte now and then cannot hold a call beyond its timeout."""
    simulator.fault("trickle", seconds=0.5)
    started = time.monotonic()
    outcome = client.send(event("a")).outcome
    assert isinstance(outcome, Ambiguous | Delivered)
    assert time.monotonic() - started < 3 * 2


def test_a_slow_reader_ends_at_the_deadline() -> None:
    """A server that takes a long request little by little cannot hold a call beyond its timeout either."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while not done.wait(0.2) and connection.recv(200_000):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        client = GongClient(
            bearer(f"http://127.0.0.1:{listener.getsockname()[1]}", "sim-token"), timeout_seconds=2
        )
        started = time.monotonic()
        outcome = client.send(event("a") | {"contentTitle": "x" * 20_000_000}).outcome
        assert isinstance(outcome, Ambiguous)
        assert time.monotonic() - started < 3 * 2
        done.set()
        client.close()
        thread.join()


@contextmanager
def recording_server() -> Iterator[tuple[str, list[dict[str, str]], set[tuple[str, int]]]]:
    """A bare HTTP server that redirects and sets a cookie: its address, each request's headers, its clients."""
    seen: list[dict[str, str]] = []
    clients: set[tuple[str, int]] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            clients.add(self.client_address)

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(dict(self.headers))
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.send_header("Set-Cookie", "session=1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen, clients
        finally:
            server.shutdown()
            thread.join()


def test_no_redirect_no_cookie_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """One request a call, whatever the environment or the answer suggests; a warmed connection is the one used."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with recording_server() as (url, seen, clients):
        client = GongClient(bearer(url, "sim-token"), timeout_seconds=2)
        client.warm()
        client.warm()
        wait_until(lambda: len(clients) == 1, "the warmed connection")
        for name in ("a", "b"):
            assert isinstance(client.send(event(name)).outcome, Misconfigured)
        client.close()
    assert len(seen) == 2
    assert len(clients) == 1
    assert not any("Cookie" in headers for headers in seen)
    assert seen[0]["User-Agent"].startswith("gong-views/")
    assert seen[0]["Authorization"] == "Bearer sim-token"
    assert seen[0]["Host"] == url.removeprefix("http://")


ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"requestId":"1"}'


@pytest.mark.parametrize(
    "answer",
    [ANSWER + ANSWER, ANSWER.replace(b"17", b"2").replace(b"200 OK", b"409 C") + ANSWER],
    ids=["two answers", "a body longer than told"],
)
def test_one_answer_is_never_taken_for_two_calls(answer: bytes) -> None:
    """What a server sends beyond its answer is nobody's: the next call goes out on another connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for reply in (answer, b""):
                connection, _ = listener.accept()
                with connection:
                    while b"contentTitle" not in connection.recv(65536):
                        pass
                    connection.sendall(reply)
                    if reply:
                        connection.recv(65536)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        client = GongClient(
            bearer(f"http://127.0.0.1:{listener.getsockname()[1]}", "sim-token"), timeout_seconds=5
        )
        assert isinstance(client.send(event("a")).outcome, Delivered | AlreadyReported)
        assert isinstance(client.send(event("b")).outcome, Ambiguous)
        client.close()
        thread.join()


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    """An idle connection that was closed meanwhile costs no call its answer: the next one has another connection."""
    closed: list[object] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(409)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.close_connection = True  # without having said so

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def shutdown_request(self, request: Any) -> None:
            super().shutdown_request(request)
            closed.append(request)

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            client = GongClient(bearer(f"http://127.0.0.1:{server.server_port}", "t"), timeout_seconds=5)
            for count in (1, 2, 3):
                client.warm()
                assert isinstance(client.send(event("a")).outcome, AlreadyReported)
                wait_until(lambda count=count: len(closed) == count, "the server to close")
            client.close()
        finally:
            server.shutdown()
            thread.join()


def test_a_wrong_bearer_token_is_refused(simulator: Simulator) -> None:
    """A bearer token is sent as such: the right one is taken, another one refused."""
    for token, expected in (("sim-token", Delivered), ("no", Unauthorized)):
        client = GongClient(bearer(simulator.url, token), timeout_seconds=2)
        assert isinstance(client.send(event("a")).outcome, expected)
        client.close()
