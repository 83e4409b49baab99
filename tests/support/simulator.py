"""The Gong simulator for tests: as a process of its own, and what it takes to call it by hand."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import httpx

from gong_worker.simulator import SimulatorClient

PATH = "/v2/customer-engagement/content/viewed"
CREDENTIAL = ("sim-key", "sim-secret")


def sample_event(event_id: str = "e-1", **changes: Any) -> dict[str, Any]:
    """A body that the simulator accepts, in Gong's JSON form."""
    return {
        "reportingSystem": "tests",
        "eventId": event_id,
        "eventTimestamp": "2026-01-02T03:04:05+02:00",
        "contentId": "doc-1",
        "contentUrl": "https://example.com/doc-1",
        "contentTitle": "Features & Spec",
        **changes,
    }


def gong_client(url: str, **options: Any) -> httpx.Client:
    """An httpx client that calls the simulator as a worker would."""
    settings: dict[str, Any] = {"auth": CREDENTIAL, "trust_env": False, "timeout": 10.0, **options}
    return httpx.Client(base_url=url, **settings)


class SimulatorProcess:
    """A simulator in a process of its own that a test may kill, freeze and restart on the same port.

    Its log file is its memory: what was accepted before a kill is still known after `start`.
    """

    def __init__(self, log_path: Path, **settings: Any) -> None:
        self.log_path = log_path
        self.settings = settings
        self.port = 0
        self.client: SimulatorClient
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "SimulatorProcess":
        """Start it; returns when it answers."""
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "gong_worker.simulator", "--port", str(self.port),
                "--log", str(self.log_path), "--settings", json.dumps(self.settings),
            ],
            stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], 60)
        line = self.process.stdout.readline() if readable else ""
        assert line, "the simulator did not start"
        self.port = int(json.loads(line)["url"].rpartition(":")[2])
        self.client = SimulatorClient(self.url)
        return self

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def stop(self, number: int = SIGTERM) -> None:
        """End it and wait until it is gone; nothing happens when it has ended already."""
        if self.process is None:
            return
        assert self.process.stdout is not None
        if self.process.poll() is None:
            self.signal(number)
        self.process.wait(timeout=30)
        self.process.stdout.close()
        self.client.close()
        self.process = None

    def kill(self) -> None:
        """kill -9."""
        self.stop(SIGKILL)


@contextmanager
def simulator_process(log_path: Path, **settings: Any) -> Iterator[SimulatorProcess]:
    """A simulator process for the length of the block; `settings` are fields of `SimulatorConfig`."""
    simulator = SimulatorProcess(log_path, **settings)
    try:
        yield simulator.start()
    finally:
        simulator.kill()
