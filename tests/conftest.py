"""Fixtures every suite shares: a clean Redis, a clean ledger database of each kind; and a look at every log."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.log_guard import GUARD, RecordGuard
from tests.support.servers import Postgres, Valkey, valkey

_records = RecordGuard(GUARD)

# How long an example takes says nothing on a machine that is busy with other tests.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _nothing_personal_in_the_logs() -> Iterator[None]:
    """Every log of a test is without the fixtures' personal data and secrets; at last, after its processes' end."""
    for name in ("gong_worker", "gong_views"):
        # At the root it would go with `logs.configure`, of a command that a test runs in this process.
        logging.getLogger(name).addHandler(_records)
        logging.getLogger(name).setLevel(logging.INFO)
    yield
    found = GUARD.told()
    assert not found, "\n".join(map(str, found))


@pytest.fixture(scope="session", autouse=True)
def _nothing_personal_in_the_last_lines() -> Iterator[None]:
    """The same for what processes of a whole module or session write at their end."""
    yield
    found = GUARD.told()
    assert not found, "\n".join(map(str, found))


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    """One Valkey a test process; a test that breaks it starts its own with `valkey()`."""
    with valkey(appendfsync="no") as server:
        yield server


@pytest.fixture
def redis_url(valkey_server: Valkey) -> str:
    """An empty Redis database."""
    with valkey_server.client() as client:
        client.flushall()
    return valkey_server.url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL a test process."""
    with tempfile.TemporaryDirectory(prefix="gong-views-pg-") as folder:
        server = Postgres(Path(folder))
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind that the ledger runs on."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return str(request.getfixturevalue("postgres_server").new_database())
