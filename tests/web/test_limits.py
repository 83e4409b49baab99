"""How much at once."""

import json
from collections.abc import AsyncIterator, Iterator

import anyio
import httpx
import pytest

from tests.support.views import view
from tests.web.conftest import MakeApp, TestClient, queued

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("chunked", [False, True])
def test_the_body_limit(make_app: MakeApp, redis_url: str, chunked: bool) -> None:
    """413 for a body over the limit, whether its length is declared or not; one at the limit passes."""
    fits = json.dumps(view(1)).encode().ljust(2_000)
    with TestClient(make_app(max_body_bytes=2_000)) as client:

        def send(body: bytes) -> int:
            def parts() -> Iterator[bytes]:
                for start in range(0, len(body), 100):
                    yield body[start : start + 100]

            return client.post("/v1/views", content=parts() if chunked else body, headers=JSON).status_code

        assert send(fits + b" ") == 413
        assert queued(redis_url) == []
        assert send(fits) == 202


def test_a_declared_length_is_enough(make_app: MakeApp) -> None:
    """A body that is declared too long is refused before a byte of it is read."""

    async def endless() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async def post() -> int:
        transport = httpx.ASGITransport(app=make_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            headers = {**JSON, "Content-Length": "5000001"}
            return (await client.post("/v1/views", content=endless(), headers=headers)).status_code

    assert anyio.run(post) == 413


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_the_batch_limit(make_app: MakeApp, redis_url: str, kind: str) -> None:
    """413 for more events than the limit, and none of them goes in."""
    with TestClient(make_app(max_batch_events=3)) as client:

        def send(number: int) -> int:
            events = [view(n) for n in range(number)]
            lines = "\n".join(json.dumps(event) for event in events)
            body = json.dumps(events) if kind == "application/json" else lines
            return client.post("/v1/views", content=body, headers={"Content-Type": kind}).status_code

        assert send(4) == 413
        assert queued(redis_url) == []
        assert send(3) == 202


def test_a_body_that_does_not_come(make_app: MakeApp) -> None:
    """408 for a client that goes silent in the middle of its body."""

    async def silent() -> AsyncIterator[bytes]:
        yield b"["
        await anyio.sleep_forever()

    async def post() -> int:
        transport = httpx.ASGITransport(app=make_app(body_timeout_seconds=0.05))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.post("/v1/views", content=silent(), headers=JSON)).status_code

    assert anyio.run(post) == 408


def test_a_thousand_events(make_app: MakeApp, redis_url: str) -> None:
    """A full batch goes in, in order, each event named by its place."""
    with TestClient(make_app()) as client:
        answer = client.post("/v1/views", json=[view(n) for n in range(1_000)])
    assert answer.status_code == 202
    assert [(a["index"], a["eventId"]) for a in answer.json()["accepted"]] == [
        (n, f"view-{n}") for n in range(1_000)
    ]
    assert [envelope.event["eventId"] for envelope in queued(redis_url)] == [
        f"view-{n}" for n in range(1_000)
    ]
