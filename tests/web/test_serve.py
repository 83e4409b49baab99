"""`gong-views serve` as a process."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.processes import Process, process
from tests.support.servers import free_port
from tests.support.views import view
from tests.web.conftest import KEY, KEYS, queued
from tests.web.served import serving


@pytest.fixture
def served(redis_url: str, tmp_path: Path) -> Iterator[tuple[Process, str]]:
    """A serving process and its address."""
    environment = {"REDIS_URL": redis_url, "GONG_VIEWS_API_KEYS": KEYS, "GONG_VIEWS_LOG_FORMAT": "json"}
    with serving(tmp_path, environment, host="0.0.0.0") as running:
        yield running


def test_serve(served: tuple[Process, str], redis_url: str) -> None:
    """Events go in over a real socket; a JSON log line tells of a request, and a count of those refused.

    The log holds nothing of an event and no key. SIGTERM ends it in order.
    """
    running, url = served
    answer = httpx.post(f"{url}/v1/views", json=[view(1), {"viewer": 7}], headers={"X-API-Key": KEY})
    assert answer.status_code == 202
    assert [envelope.event["eventId"] for envelope in queued(redis_url)] == ["view-1"]
    assert "server" not in answer.headers
    began = time.monotonic()
    with httpx.Client(headers={"X-API-Key": "a-wrong-key-0123456789"}) as client:
        assert {client.post(f"{url}/v1/views", json=[]).status_code for _ in range(100)} == {401}
    seconds = time.monotonic() - began
    assert running.terminate() == 0
    lines = [json.loads(line) for line in running.log.splitlines() if line.startswith("{")]
    [line] = [line for line in lines if line["action"] == "http_request"]
    assert {name: line[name] for name in ("key", "route", "status", "accepted", "rejected")} == {
        "key": "backend", "route": "/v1/views", "status": 202, "accepted": 1, "rejected": 1,
    }  # fmt: skip
    assert line["duration_ms"] >= 0
    refused = [line for line in lines if line["action"] == "requests_refused"]
    assert sum(line["count"] for line in refused) == 100
    assert len(refused) <= seconds + 2
    for word in ("dana", "globex", KEY, "a-wrong-key", "Traceback"):
        assert word not in running.log


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(["--host", "0.0.0.0"], 2, "GONG_VIEWS_API_KEYS"), (["--port", "TAKEN"], 1, "cannot listen")],
)
def test_a_start_that_cannot_be(
    arguments: list[str], code: int, said: str, valkey_server: object, tmp_path: Path
) -> None:
    """An open door without keys, and a port that is taken, are one clear line and no traceback."""
    taken = str(valkey_server.port)  # type: ignore[attr-defined]
    words = [taken if word == "TAKEN" else word for word in arguments]
    with process(
        ["gong_worker", "serve", *words], tmp_path / "log", {"REDIS_URL": f"redis://127.0.0.1:{free_port()}"}
    ) as running:
        assert running.popen.wait(30) == code
        assert said in running.log
        assert "Traceback" not in running.log


def test_a_redis_url_with_an_option_that_does_not_fit(tmp_path: Path) -> None:
    """An option of TLS on a URL without it stops the start with one line that repeats no password."""
    environment = {"REDIS_URL": "redis://:geheim@127.0.0.1/0?ssl_cert_reqs=none"}
    with process(["gong_worker", "serve", "--port", "0"], tmp_path / "log", environment) as running:
        assert running.popen.wait(30) == 2
        assert "REDIS_URL" in running.log
        assert "geheim" not in running.log
        assert "Traceback" not in running.log
