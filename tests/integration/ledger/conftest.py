"""A migrated, empty ledger on each database. Migrated once a test run: making a schema takes longer than a test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gong_worker.ledger import Ledger, migrate, open_engine
from gong_worker.ledger.models import METADATA


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite ledger, to be copied."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_database(request: pytest.FixtureRequest) -> str:
    """A PostgreSQL ledger, to be emptied."""
    url = str(request.getfixturevalue("postgres_server").new_database())
    migrate(url)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "ledger.db")
        ledger = Ledger(open_engine(f"sqlite:///{path}"))
    else:
        ledger = Ledger(open_engine(request.getfixturevalue("migrated_database")))
        with ledger.engine.begin() as connection:
            tables = ", ".join(METADATA.tables.keys() - {"installation_keys"})  # made by the migration alone
            connection.execute(sa.text(f"TRUNCATE {tables} RESTART IDENTITY"))
    yield ledger
    ledger.close()
