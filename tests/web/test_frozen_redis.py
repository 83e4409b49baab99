"""A Redis that does not answer, or takes no writes, costs a request its timeout and no more."""

import asyncio
import json
import time
from pathlib import Path

import httpx

from tests.support.servers import valkey, wait_until
from tests.support.views import view
from tests.web.conftest import KEY, KEYS
from tests.web.served import serving

TIMEOUT_SECONDS = 2.0


async def _timed(url: str, request: bytes) -> tuple[int, float]:
    """The status of a request on a connection of its own, and how long it took."""
    address = httpx.URL(url)
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(request)
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status, time.monotonic() - began


def _post(number: int) -> bytes:
    body = json.dumps(view(number)).encode()
    head = f"POST /v1/views HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_every_answer_comes_in_time(tmp_path: Path) -> None:
    """With Redis frozen, each of 700 requests at once is answered within the enqueue timeout plus 1 s.

    400 of them are readiness checks without a key. With Redis back, the next event goes in.
    """
    ready = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"

    async def all_at_once(url: str) -> list[tuple[int, float]]:
        requests = [_post(number) for number in range(300)] + [ready] * 400
        return await asyncio.gather(*(_timed(url, request) for request in requests))

    with valkey(appendfsync="no") as server:
        environment = {
            "REDIS_URL": server.url,
            "GONG_VIEWS_API_KEYS": KEYS,
            "GONG_VIEWS_HTTP_REQUESTS_PER_SECOND": "1000",
            "GONG_VIEWS_ENQUEUE_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
        }
        with serving(tmp_path, environment) as (running, url):
            # What the machine, busy with other tests, needs for so many requests: 0.5 s when it is idle.
            busy = max(seconds for _, seconds in asyncio.run(all_at_once(url)))
            server.freeze()
            try:
                answers = asyncio.run(all_at_once(url))
            finally:
                server.resume()
            assert {status for status, _ in answers[:300]} == {503}
            # The answer of a probe made just before the freeze counts for a second.
            assert {status for status, _ in answers[300:]} <= {200, 503}
            slowest = max(seconds for _, seconds in answers)
            # 700 answers take as long as this machine is slow; queued behind one another they took 16 s.
            assert slowest < TIMEOUT_SECONDS + 1 + 4 * busy
            wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 200, "the next probe")
            assert asyncio.run(_timed(url, _post(1)))[0] == 202
            unavailable = [line for line in running.log.splitlines() if "queue_unavailable" in line]
            assert 0 < len(unavailable) < 10


def test_a_redis_that_takes_no_writes_is_not_ready(tmp_path: Path) -> None:
    """/readyz says what an event would be told: 503 while Redis is full, although it answers a PING."""
    with (
        valkey(appendfsync="no") as server,
        serving(tmp_path, {"REDIS_URL": server.url}) as (_, url),
        server.client() as client,
    ):
        assert httpx.get(f"{url}/readyz").status_code == 200
        client.config_set("maxmemory", 1)
        assert httpx.post(f"{url}/v1/views", json=view(1)).status_code == 503
        wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 503, "the next probe", 5)
        assert httpx.get(f"{url}/healthz").status_code == 200
        client.config_set("maxmemory", 0)
        wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 200, "the next probe", 5)
