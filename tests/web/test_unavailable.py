"""Redis away: never a 202 for what it has not got."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gong_views.aio import AsyncViewQueue
from gong_views.receipt import BatchResult
from gong_worker.operations.services import SharedServices
from gong_worker.settings import WorkerSettings
from gong_worker.web import WebSettings, create_app
from tests.support.servers import Valkey, valkey, wait_until
from tests.support.views import view
from tests.web.conftest import MakeApp, TestClient, queued


@pytest.fixture
def own() -> Iterator[Valkey]:
    with valkey(appendfsync="no") as server:
        yield server


def test_redis_down_and_back(make_app: MakeApp, own: Valkey) -> None:
    """503 with Retry-After while Redis is down or hangs, 202 as soon as it is back; the process lives on."""
    with TestClient(make_app(own.url)) as client:
        assert client.get("/readyz").status_code == 200
        own.freeze()
        try:
            assert client.post("/v1/views", json=view(1)).status_code == 503
        finally:
            own.resume()
        own.kill()
        answer = client.post("/v1/views", json=[view(1), {"contentId": "x"}])
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["accepted"] == []
        assert [entry["index"] for entry in answer.json()["rejected"]] == [1]
        assert str(own.port) not in answer.text
        ready = client.get("/readyz")
        assert (ready.status_code, client.get("/healthz").status_code) == (503, 200)
        assert int(ready.headers["Retry-After"]) > 0
        own.start()
        wait_until(lambda: client.get("/readyz").status_code == 200, "the next probe")
        assert client.post("/v1/views", json=view(1)).status_code == 202


def test_redis_dies_between_two_batches(own: Valkey) -> None:
    """A 503 in the middle lists exactly what went in before; repeating the whole puts the rest in."""

    class Dying(AsyncViewQueue):
        async def enqueue_batches(
            self, events: Any, lane: Any = "live", *, batch_size: int = 500
        ) -> AsyncIterator[BatchResult]:
            parts = super().enqueue_batches(events, lane, batch_size=2)
            yield await anext(parts)
            own.kill()
            async for part in parts:
                yield part

    def no_settings() -> WorkerSettings:
        raise AssertionError("an enqueue needs none")

    app = create_app(
        lambda source: Dying(own.url, source=source), WebSettings.load(), SharedServices(no_settings)
    )
    with TestClient(app) as client:
        answer = client.post("/v1/views", json=[{"contentId": "x"}, *(view(n) for n in range(1, 5))])
    assert answer.status_code == 503
    assert [accepted["index"] for accepted in answer.json()["accepted"]] == [1, 2]
    assert [entry["index"] for entry in answer.json()["rejected"]] == [0]
    own.start()
    assert [envelope.event["eventId"] for envelope in queued(own.url)] == ["view-1", "view-2"]
