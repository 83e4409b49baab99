"""The embedded server of a data directory: one process on its files, whatever befell it."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from gong_views.embedded import ensure_running, release
from gong_views.errors import QueueUnavailable, SettingsError
from gong_views.queue import ViewQueue
from tests.support.views import view


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "var"
    yield folder
    release(folder)


def pid_of(folder: Path) -> int:
    return int(json.loads((folder / "valkey.json").read_text())["pid"])


def test_a_hung_server_is_not_joined_by_a_second_one(data_dir: Path) -> None:
    """Two servers on one append-only file would tear it: the hung one is QueueUnavailable, then goes on."""
    url = ensure_running(data_dir)
    pid = pid_of(data_dir)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert ensure_running(data_dir) == url
        with ViewQueue(url, timeout_seconds=0.2) as queue, pytest.raises(QueueUnavailable):
            queue.enqueue(view(1))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert pid_of(data_dir) == pid
    with ViewQueue(ensure_running(data_dir), timeout_seconds=10) as queue:
        queue.enqueue(view(2))


def test_a_server_without_its_record_is_not_joined_by_a_second_one(data_dir: Path) -> None:
    """Nobody can reach it any more; the message says so, and its files stay its own."""
    ensure_running(data_dir)
    record = (data_dir / "valkey.json").read_text()
    (data_dir / "valkey.json").unlink()
    with pytest.raises(QueueUnavailable, match=r"valkey\.json is gone"):
        ensure_running(data_dir)
    (data_dir / "valkey.json").write_text(record)


def test_the_last_to_let_go_stops_the_server(data_dir: Path) -> None:
    """After `release` no process is left and no record; the next use starts anew, with the same data."""
    with ViewQueue(ensure_running(data_dir), timeout_seconds=10) as queue:
        queue.enqueue(view(1))
    server = psutil.Process(pid_of(data_dir))
    release(data_dir)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    assert not (data_dir / "valkey.json").exists()
    with redis.Redis.from_url(ensure_running(data_dir)) as client:
        assert client.llen("gong-views.live") == 1


def test_an_unusable_data_directory_is_a_setting_to_mend(tmp_path: Path) -> None:
    """A path that cannot be a directory names the variable; no traceback of the file system."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="GONG_VIEWS_DATA_DIR"):
        ensure_running(tmp_path / "file" / "var")
