"""A pipeline for each test, on servers that are cheap to share or of its own."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gong_worker.ledger import migrate
from tests.support.pipeline import Pipeline
from tests.support.servers import Postgres, valkey
from tests.support.simulator import SimulatorProcess, simulator_process

Start = Callable[..., Pipeline]


@pytest.fixture(autouse=True)
def _told(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """Every test's law goes into the JUnit report, from which `tests.crash.matrix` makes its tables."""
    record_property("law", (request.function.__doc__ or "").split("\n")[0])


@pytest.fixture(scope="session")
def simulator_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    """One simulator a test process, without a limit of its own: here it is about loss, not about pace."""
    log = tmp_path_factory.mktemp("simulator") / "calls.jsonl"
    with simulator_process(log, per_second=None, per_day=None) as server:
        yield server


@pytest.fixture
def simulator(simulator_server: SimulatorProcess) -> SimulatorProcess:
    """An empty simulator."""
    if simulator_server.process is None:
        simulator_server.start()
    simulator_server.client.reset()
    return simulator_server


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy: migrating anew for every test costs a second."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """An empty ledger on SQLite."""
    shutil.copy(migrated_sqlite, tmp_path / "ledger.db")
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> str:
    """An empty ledger on PostgreSQL."""
    url = postgres_server.new_database()
    migrate(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """An empty ledger on each database."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
def pipeline(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[Start]:
    """Makes a pipeline on a ledger: `pipeline(url, appendfsync="always", **settings)`; ends all of it."""
    with ExitStack() as stack:

        def start(database_url: str, *, appendfsync: str = "always", **settings: Any) -> Pipeline:
            server = stack.enter_context(valkey(appendfsync=appendfsync))
            made = Pipeline(tmp_path, server, database_url, simulator, **settings)
            stack.callback(made.close)
            return made

        yield start
