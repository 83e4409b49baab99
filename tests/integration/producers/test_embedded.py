"""A producer without REDIS_URL: it finds the embedded server of its data directory, and never starts one."""

import asyncio
import json
from pathlib import Path

import pytest
import redis

from gong_views import AsyncViewQueue, QueueUnavailable, ViewQueue, enqueue_view
from gong_views.errors import SettingsError
from gong_worker.embedded_server import EmbeddedServer
from tests.support.views import view


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "var"
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("GONG_VIEWS_DATA_DIR", str(folder))
    monkeypatch.setenv("GONG_VIEWS_ENQUEUE_TIMEOUT_SECONDS", "10")
    return folder


def test_without_any_server_an_enqueue_says_what_to_set_and_makes_nothing(data_dir: Path) -> None:
    """No receipt, not even a spooled one, for an event that nobody would ever read; no file, no process."""
    with ViewQueue() as queue, pytest.raises(SettingsError, match=r"REDIS_URL(.|\n)*GONG_VIEWS_DATA_DIR"):
        queue.enqueue(view(1))
    with ViewQueue(on_unavailable="spool") as queue, pytest.raises(SettingsError, match="REDIS_URL"):
        queue.enqueue(view(1))
    with pytest.raises(SettingsError, match="REDIS_URL"):
        enqueue_view(view(1))
    with pytest.raises(SettingsError, match="REDIS_URL"):
        asyncio.run(AsyncViewQueue().enqueue(view(1)))
    assert not data_dir.exists()


def test_the_running_server_is_found_and_one_that_stopped_is_an_unavailable_queue(data_dir: Path) -> None:
    """Found by its record; stopped it is QueueUnavailable (or spooled), and the same queue works once it is back."""
    with EmbeddedServer(data_dir), ViewQueue() as queue:
        queue.enqueue(view(1))
    with pytest.raises(QueueUnavailable, match="gong-views up") as caught:
        queue.enqueue(view(2))
    assert caught.value.reason == "refused"
    with ViewQueue(on_unavailable="spool") as spooling:
        assert spooling.enqueue(view(3)).spooled
    with EmbeddedServer(data_dir) as server:
        queue.enqueue(view(2))
        with redis.Redis.from_url(server.url) as client:
            assert client.llen("gong-views.live") == 2
        queue.close()


def test_a_server_in_a_folder_that_others_may_write_is_not_trusted(data_dir: Path) -> None:
    """Another user could have put a server of theirs there: the event and its receipt are refused."""
    data_dir.mkdir(mode=0o755)
    (data_dir / "valkey.json").write_text(json.dumps({"url": f"unix://{data_dir}/valkey.sock?db=0"}))
    data_dir.chmod(0o777)
    with ViewQueue() as queue, pytest.raises(SettingsError, match="chmod 700"):
        queue.enqueue(view(1))
