"""Connections that send no request do not keep others out."""

import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.servers import wait_until
from tests.support.views import view
from tests.web.conftest import KEY, KEYS
from tests.web.served import serving


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for the test's own side of 2,000 connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("the hard limit of open files is below 4,096")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _connect(url: str) -> socket.socket:
    address = httpx.URL(url)
    return socket.create_connection((address.host, address.port or 0), timeout=10)


def _post(url: str) -> tuple[int, float]:
    began = time.monotonic()
    answer = httpx.post(f"{url}/v1/views", json=view(1), headers={"X-API-Key": KEY}, timeout=30)
    return answer.status_code, time.monotonic() - began


def _ended(connection: socket.socket) -> bool:
    connection.settimeout(0)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_connections_that_finish_no_head(redis_url: str, tmp_path: Path, many_files: None) -> None:
    """2,000 half requests on 1,024 files leave a keyed POST under 1 s, /healthz alive, and the log short."""
    environment = {"REDIS_URL": redis_url, "GONG_VIEWS_API_KEYS": KEYS}
    with serving(tmp_path, environment, open_files=1024) as (running, url), ExitStack() as stack:
        for number in range(2_000):
            connection = stack.enter_context(_connect(url))
            connection.sendall(b"POST /v1/views HTTP/1.1\r\nX-Slow: " if number % 2 else b"")
        timed = [_post(url) for _ in range(3)]
        assert [status for status, _ in timed] == [202] * 3
        assert sorted(seconds for _, seconds in timed)[1] < 1
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert "connections closed" in running.log
        assert "Too many open files" not in running.log
        assert len(running.log.splitlines()) < 30
        assert running.terminate() == 0


def test_deadlines_of_a_connection(redis_url: str, tmp_path: Path) -> None:
    """Closed when late: a head begun, none begun, idle after an answer, a body left unfinished after a refusal."""
    environment = {
        "REDIS_URL": redis_url,
        "GONG_VIEWS_API_KEYS": KEYS,
        "GONG_VIEWS_HTTP_HEAD_TIMEOUT_SECONDS": "0.5",
    }
    with serving(tmp_path, environment) as (running, url), ExitStack() as stack:
        begun, silent, idle, refused = (stack.enter_context(_connect(url)) for _ in range(4))
        begun.sendall(b"GET /healthz HTT")
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in idle.recv(4096)
        refused.sendall(b"POST /v1/views HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n[")
        assert b"401" in refused.recv(4096)
        for connection in (begun, silent, idle, refused):
            wait_until(lambda one=connection: _ended(one), "the server to close the connection", 10)  # type: ignore[misc]
        wait_until(lambda: "without a request head in time" in running.log, "the log line")


def test_the_longest_waiting_connection_makes_room(redis_url: str, tmp_path: Path) -> None:
    """At the limit a new connection is served, and the one that has waited longest without a request is closed."""
    environment = {"REDIS_URL": redis_url, "GONG_VIEWS_HTTP_MAX_CONNECTIONS": "3"}
    with serving(tmp_path, environment) as (_, url), ExitStack() as stack:
        first, second = (stack.enter_context(_connect(url)) for _ in range(2))
        busy = stack.enter_context(_connect(url))
        busy.sendall(b"POST /v1/views HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n")
        busy.sendall(b"Content-Type: application/json\r\n\r\n")
        assert _post(url)[0] == 202
        wait_until(lambda: _ended(first), "the first connection's end")
        assert not _ended(second)
        busy.settimeout(10)
        busy.sendall(b"[]")
        assert b"HTTP/1.1 400" in busy.recv(4096)


def _chunked(url: str, key: str, rest: bytes) -> bytes:
    """What is answered to a chunked body of one byte and `rest`."""
    with _connect(url) as connection:
        connection.sendall(
            b"POST /v1/views HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\nX-API-Key: "
            + key.encode()
            + b"\r\n"
            + (b"Connection: close\r\n" if key == KEY else b"")
            + b"\r\n1\r\n[\r\n"
        )
        answer = (
            b"" if key == KEY else connection.recv(4096)
        )  # without a valid key the answer comes before the body
        with suppress(OSError):
            connection.sendall(rest)
            while more := connection.recv(4096):
                answer += more
        return answer


def test_a_body_in_tiny_chunks(redis_url: str, tmp_path: Path) -> None:
    """A chunk costs time whatever is in it: ever so many tiny ones are refused soon, before and after an answer.

    What is malformed after an answer ends the connection, without a traceback.
    """
    environment = {"REDIS_URL": redis_url, "GONG_VIEWS_API_KEYS": KEYS}
    with serving(tmp_path, environment) as (running, url):
        server = psutil.Process(running.pid)
        assert _post(url)[0] == 202
        before = sum(server.cpu_times()[:2])
        assert b"HTTP/1.1 400" in _chunked(url, KEY, b"1\r\n \r\n" * 500_000)
        assert b"HTTP/1.1 401" in _chunked(url, "wrong", b"1\r\n \r\n" * 500_000)
        assert sum(server.cpu_times()[:2]) - before < 1
        assert b"HTTP/1.1 401" in _chunked(url, "wrong", b"no chunk\r\n")
        assert b"HTTP/1.1 202" in _chunked(
            url, KEY, _pieces(json.dumps([view(n) for n in range(900)]).encode()[1:])
        )
        assert "Traceback" not in running.log
        assert "connections closed" in running.log


def _pieces(body: bytes) -> bytes:
    """A body as a client may well send it, 150 bytes a chunk."""
    parts = (body[at : at + 150] for at in range(0, len(body), 150))
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
