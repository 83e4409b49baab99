"""Fixtures of the suites that run whole processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gong_worker.ledger import migrate
from tests.support.pipeline import Pipeline
from tests.support.servers import Valkey
from tests.support.simulator import simulator_process


@pytest.fixture
def pipeline(tmp_path: Path, valkey_server: Valkey, redis_url: str) -> Iterator[Pipeline]:
    """Queue, SQLite ledger and simulator; workers as the test starts them."""
    database_url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate(database_url)
    with simulator_process(tmp_path / "simulator.jsonl", per_second=100) as simulator:
        made = Pipeline(tmp_path, valkey_server, database_url, simulator)
        try:
            yield made
        finally:
            made.close()
