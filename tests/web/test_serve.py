"""`gong-views serve` as a process."""

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
    environment = {"REDIS_URL": redis_url, "GONG_VIEWS_API_KEYS": KEYS}
    with serving(tmp_path, environment, host="0.0.0.0") as running:
        yield running


def test_serve(served: tuple[Process, str], redis_url: str) -> None:
    """Events go in over a real socket; the log holds nothing of them and no key; SIGTERM ends it in order."""
    running, url = served
    answer = httpx.post(f"{url}/v1/views", json=[view(1), {"viewer": 7}], headers={"X-API-Key": KEY})
    assert answer.status_code == 202
    assert [envelope.event["eventId"] for envelope in queued(redis_url)] == ["view-1"]
    assert "server" not in answer.headers
    assert running.terminate() == 0
    for word in ("dana", "globex", KEY, "Traceback"):
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
