"""The application on a real Valkey, in process."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from fastapi import FastAPI

from gong_views import message
from gong_views.aio import AsyncViewQueue
from gong_worker.ledger import Ledger, migrate, open_engine
from gong_worker.operations.services import SharedServices
from gong_worker.settings import WorkerSettings
from gong_worker.web import WebSettings, create_app
from tests.integration.cli.letters import three_kinds

with warnings.catch_warnings():
    # Starlette wants a successor of httpx for its test client; this project has httpx.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient as TestClient

KEY = "backend-key-0123456789"
NEXT_KEY = "backend-key-9876543210"
OTHER_KEY = "portal-key-0123456789"
READ_KEY = "grafana-key-0123456789"
OPERATE_KEY = "ops-key-012345678901234"
BOUND_KEY = "crm-key-0123456789012"
ALL_KEY = "all-key-0123456789012"
KEYS = (
    f"backend:{KEY},portal:{OTHER_KEY},backend:{NEXT_KEY},grafana/read:{READ_KEY},ops/read+operate:{OPERATE_KEY},"
    f"crm/read+operate@content-hub:{BOUND_KEY},all/ingest+read+operate:{ALL_KEY}"
)

MakeApp = Callable[..., FastAPI]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Neither the variables nor the .env of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "REDIS_URL",
        "GONG_VIEWS_API_KEYS",
        "GONG_VIEWS_API_KEYS_FILE",
        "GONG_VIEWS_HTTP_HOST",
        "GONG_VIEWS_HTTP_PORT",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    """Where the application looks for its ledger; nobody has made it yet."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def make_app(redis_url: str, ledger_url: str, tmp_path: Path) -> MakeApp:
    """Makes an application on the clean Valkey and the ledger, or on those given."""

    def make(url: str = redis_url, ledger: str = ledger_url, **settings: Any) -> FastAPI:
        settings.setdefault("requests_per_second", 1_000_000)
        worker = WorkerSettings(REDIS_URL=url, DATABASE_URL=ledger, GONG_VIEWS_DATA_DIR=str(tmp_path))
        return create_app(
            lambda source: AsyncViewQueue(url, source=source, timeout_seconds=1),
            WebSettings.load(**settings),
            SharedServices(lambda: worker),
        )

    return make


@pytest.fixture
def client(make_app: MakeApp) -> Iterator[TestClient]:
    """A client of an application without keys."""
    with TestClient(make_app()) as client:
        yield client


def queued(url: str, lane: str = "live") -> list[message.Envelope]:
    """What is on a lane, oldest first."""
    with redis.Redis.from_url(url) as client:
        return [message.parse(raw) for raw in reversed(client.lrange(f"gong-views.{lane}", 0, -1))]


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """A ledger with six letters of three kinds, three of each of two events."""
    migrate(ledger_url)
    ledger = Ledger(open_engine(ledger_url))
    three_kinds(ledger, 2)
    yield ledger
    ledger.close()


@pytest.fixture
def api(make_app: MakeApp, ledger: Ledger) -> Iterator[TestClient]:
    """An application with keys of every scope."""
    with TestClient(make_app(api_keys=KEYS)) as client:
        yield client


def ask(
    client: TestClient, path: str, body: Any = None, *, key: str = OPERATE_KEY, method: str = ""
) -> httpx.Response:
    """The answer of `/v1/…` to a key."""
    method = method or ("GET" if body is None else "POST")
    answer: httpx.Response = client.request(method, f"/v1/{path}", json=body, headers={"X-API-Key": key})
    return answer


def told(client: TestClient, path: str, body: Any = None, **how: Any) -> Any:
    """The same, which has to be 200."""
    answer = ask(client, path, body, **how)
    assert answer.status_code == 200, answer.text
    return answer.json()
