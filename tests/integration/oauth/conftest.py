"""An authorisation server, a ledger of each kind, and keepers on them."""

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gong_worker.ledger import Ledger, migrate, open_engine
from gong_worker.oauth import TokenEndpoint, new_key
from gong_worker.operations.oauth import make_keeper
from gong_worker.operations.token_keeper import TokenKeeper
from gong_worker.settings import WorkerSettings
from gong_worker.simulator import SimulatorClient, running_simulator

KEY = new_key()


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorClient]:
    with running_simulator(per_second=None) as client:
        yield client


@pytest.fixture
def sim(server: SimulatorClient) -> SimulatorClient:
    """As new."""
    server.reset()
    return server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def migrated(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    with tempfile.TemporaryDirectory(prefix="gong-views-oauth-") as folder:
        url = f"sqlite:///{Path(folder)}/ledger.db"
        if request.param == "postgresql":
            url = str(request.getfixturevalue("postgres_server").new_database())
        migrate(url)
        ledger = Ledger(open_engine(url))
        yield ledger
        ledger.close()


@pytest.fixture
def ledger(migrated: Ledger) -> Ledger:
    """Without any approval."""
    with migrated.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM oauth_grants"))
    return migrated


@pytest.fixture
def settings(sim: SimulatorClient) -> WorkerSettings:
    """Of a worker without a base URL of its own."""
    return settings_of(sim)


def settings_of(sim: SimulatorClient, **changes: Any) -> WorkerSettings:
    given = {
        "GONG_OAUTH_CLIENT_ID": "sim-client",
        "GONG_OAUTH_CLIENT_SECRET": "sim-client-secret",
        "GONG_OAUTH_KEY": KEY,
        "GONG_OAUTH_AUTHORIZE_URL": f"{sim.url}/oauth2/authorize",
        "GONG_OAUTH_TOKEN_URL": f"{sim.url}/oauth2/generate-customer-token",
        "GONG_VIEWS_REQUEST_TIMEOUT_SECONDS": 1,
    }
    return WorkerSettings(**given | changes)


@pytest.fixture
def keeper(ledger: Ledger, settings: WorkerSettings) -> Callable[[], TokenKeeper]:
    """One process's keeper a call."""
    return lambda: make_keeper(settings, ledger, None)


@contextmanager
def answering(status: bytes, body: bytes) -> Iterator[TokenEndpoint]:
    """A token endpoint that gives one answer, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(
                    b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                    % (status, len(body), body)
                )

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/token"
        yield TokenEndpoint(url, "client", "secret", timeout_seconds=10)
        thread.join(30)
