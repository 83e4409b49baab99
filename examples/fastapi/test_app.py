import app
import pytest
from fastapi.testclient import TestClient

from gong_views.testing import AsyncRecordingViewQueue

EVENT = {
    "reportingSystem": "content-hub",
    "eventId": "view-1",
    "eventTimestamp": "2026-07-01T12:34:56Z",
    "contentId": "deck-42",
    "contentUrl": "https://content.example/decks/42",
    "contentTitle": "Pricing overview",
}


def test_a_view_is_enqueued(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = AsyncRecordingViewQueue()
    monkeypatch.setattr(app, "queue", queue)
    with TestClient(app.app) as client:
        assert client.post("/views", json=EVENT).status_code == 202
        assert client.post("/views", json={}).status_code == 422
        with queue.unavailable("timeout"):
            assert client.post("/views", json=EVENT).status_code == 503
    queue.assert_enqueued("view-1", content_title="Pricing overview", times=1)
