"""The embedded queue server: who starts it, who keeps it running, and who may reach it."""

import json
import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import redis

from gong_views import QueueUnavailable, ViewQueue
from gong_views.embedded import recorded_url
from gong_views.errors import SettingsError
from gong_worker.embedded_server import MAX_SOCKET_BYTES, EmbeddedServer
from tests.support.processes import command, process
from tests.support.servers import wait_until
from tests.support.views import view


def run(folder: Path, *words: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """A command with nothing set, in a folder of its own."""
    return command(*words, environment=environment, cwd=folder, stdin=stdin)


def server_of(data_dir: Path) -> psutil.Process:
    return psutil.Process(json.loads((data_dir / "valkey.json").read_text())["pid"])


@pytest.mark.parametrize(
    "words",
    [("status",), ("reconcile",), ("dead-letters", "list"), ("hold", "--reason", "x"), ("enqueue", "-")],
)
def test_looking_in_a_wrong_directory_makes_nothing_and_says_what_to_set(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Exit 2, both variables named, the directory as empty as before: also the second time."""
    for _ in range(2):
        done = run(tmp_path, *words, stdin=json.dumps(view(1)))
        assert done.returncode == 2, done.stdout + done.stderr
        assert "REDIS_URL" in done.stderr
        assert "GONG_VIEWS_DATA_DIR" in done.stderr
        assert "Traceback" not in done.stderr
        assert list(tmp_path.iterdir()) == []


def test_up_starts_a_dead_server_again_and_nothing_accepted_is_lost(tmp_path: Path) -> None:
    """kill -9 of the queue server under `up`: back on the same socket within 2 s, and every event is delivered.

    No TCP port, every file 0600 and every folder 0700; after `up` has ended its commands say that it is away.
    """
    data = tmp_path / "var"
    environment = {
        "GONG_VIEWS_DATA_DIR": str(data),
        "GONG_VIEWS_CALLS_PER_SECOND": "50",
        "GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS": "5",
    }
    old_umask = os.umask(0)
    try:
        with process(["gong_worker", "up", "--sandbox"], tmp_path / "up.log", environment) as up:
            wait_until(lambda: "worker_ready" in up.log or not up.running(), "the worker", 60)
            url = recorded_url(data)
            assert url is not None
            server = server_of(data)
            assert [c for c in server.net_connections("inet") if c.status == psutil.CONN_LISTEN] == []
            open_to_others = [p for p in [data, *data.rglob("*")] if p.stat().st_mode & 0o077]
            assert open_to_others == []

            with ViewQueue(url, timeout_seconds=10) as queue:
                for number in range(40):
                    queue.enqueue(view(number))
                server.kill()
                died = time.monotonic()
                wait_until(lambda: server_answers(url), "the server to be back")
                assert time.monotonic() - died < 2
                assert recorded_url(data) == url
                for number in range(40, 60):
                    queue.enqueue(view(number))

            def delivered() -> bool:
                done = run(tmp_path, "status", "--json", **environment)
                return done.returncode == 0 and json.loads(done.stdout)["ledger"]["delivered"] == 60

            wait_until(delivered, "every event to be delivered", 60)
            assert "queue_server_restarted" in up.log
            server = server_of(data)
            assert up.terminate() == 0
            wait_until(lambda: not server.is_running(), "the server to stop")
    finally:
        os.umask(old_umask)
    away = run(tmp_path, "status", **environment)
    assert away.returncode == 3
    assert "gong-views up" in away.stderr


def server_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def test_a_hung_server_is_not_joined_by_a_second_one(tmp_path: Path) -> None:
    """Two servers on one append-only file would tear it: the hung one is QueueUnavailable, then goes on."""
    data = tmp_path / "var"
    with EmbeddedServer(data) as first:
        server = server_of(data)
        server.send_signal(signal.SIGSTOP)
        try:
            with EmbeddedServer(data) as second:
                assert second.url == first.url
            with ViewQueue(first.url, timeout_seconds=0.2) as queue, pytest.raises(QueueUnavailable):
                queue.enqueue(view(1))
        finally:
            server.send_signal(signal.SIGCONT)
        assert server_of(data) == server


def test_the_last_supervisor_stops_the_server_and_any_of_them_restarts_it(tmp_path: Path) -> None:
    """Two workers of one machine share the server; it ends with the second, and its data stay."""
    data = tmp_path / "var"
    with EmbeddedServer(data) as second:
        with EmbeddedServer(data):
            pass
        with ViewQueue(second.url, timeout_seconds=10) as queue:
            queue.enqueue(view(1))
        server_of(data).kill()
        wait_until(lambda: server_answers(second.url), "the server to be back")
        server = server_of(data)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    with EmbeddedServer(data) as again, redis.Redis.from_url(again.url) as client:
        assert client.llen("gong-views.live") == 1


def test_a_server_without_its_record_is_not_joined_by_a_second_one(tmp_path: Path) -> None:
    """Nobody can reach it any more; the message says so, and its files stay its own."""
    data = tmp_path / "var"
    with EmbeddedServer(data):
        record = (data / "valkey.json").read_text()
        (data / "valkey.json").unlink()
        with pytest.raises(QueueUnavailable, match=r"valkey\.json is gone"):
            EmbeddedServer(data).start()
        (data / "valkey.json").write_text(record)


def test_an_enqueue_says_that_no_worker_lives(tmp_path: Path) -> None:
    """The events are accepted, for the queue is durable; whoever enqueues is told that nobody works on it."""
    data = tmp_path / "var"
    environment = {"GONG_VIEWS_DATA_DIR": str(data)}
    with EmbeddedServer(data):
        done = run(tmp_path, "enqueue", "-", "--json", stdin=json.dumps(view(1)), **environment)
        assert done.returncode == 0
        told = json.loads(done.stdout)
        assert (told["enqueued"], told["workers_alive"]) == (1, 0)
        assert "no worker is alive" in done.stderr


def test_a_path_too_long_for_a_socket_has_it_elsewhere(tmp_path: Path) -> None:
    """The socket is in a private folder under the temporary one, and producers find it by the record."""
    data = tmp_path / ("long" * 30)
    with EmbeddedServer(data) as server:
        assert recorded_url(data) == server.url
        socket = Path(server.url.removeprefix("unix://").partition("?")[0])
        assert len(os.fsencode(socket)) <= MAX_SOCKET_BYTES
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert server_answers(server.url)


def test_a_data_directory_that_cannot_be_used_is_a_setting_to_mend(tmp_path: Path) -> None:
    """A path below a file, and one that others may write to: the variable is named; nothing is started."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="GONG_VIEWS_DATA_DIR"):
        EmbeddedServer(tmp_path / "file" / "var").start()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(SettingsError, match="chmod 700"):
        EmbeddedServer(tmp_path / "open").start()
    assert list((tmp_path / "open").iterdir()) == []
