"""The command on a real Valkey, in process; and what it put on the queue."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from gong_views import message
from gong_worker.cli import run as run_cli


@dataclass(frozen=True, slots=True)
class Run:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.out)
        return data


Enqueue = Callable[..., Run]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def enqueue(
    folder: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Enqueue:
    """Runs `gong-views enqueue … --json` in process."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.delenv("GONG_VIEWS_DATA_DIR", raising=False)

    def run(*arguments: str, as_json: bool = True) -> Run:
        words = ["gong-views", "enqueue", *arguments, *(["--json"] if as_json else [])]
        monkeypatch.setattr("sys.argv", words)
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            run_cli()
        return Run(int(exit_.value.code or 0), *capsys.readouterr())

    return run


def queued(url: str, lane: str = "live") -> list[message.Envelope]:
    """What is on a lane, oldest first."""
    with redis.Redis.from_url(url) as client:
        return [message.parse(raw) for raw in reversed(client.lrange(f"gong-views.{lane}", 0, -1))]


def ids(url: str, lane: str = "live") -> list[str]:
    """The event ids on a lane, oldest first."""
    return [envelope.event["eventId"] for envelope in queued(url, lane)]


def rejects(path: Path) -> list[dict[str, Any]]:
    """The lines of a rejects file."""
    return [json.loads(line) for line in path.read_text().splitlines()]
