"""Queue, ledger of each kind and simulator, and the command line on them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gong_worker.cli import cli
from gong_worker.ledger import Ledger, migrate, open_engine
from tests.support.log_guard import GUARD
from tests.support.pipeline import Pipeline
from tests.support.servers import Valkey, valkey
from tests.support.simulator import simulator_process

Command = Callable[..., Any]
#: For what does not depend on the database.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def own_valkey() -> Iterator[Valkey]:
    """One whose folder holds nothing but these tests' data."""
    with valkey(appendfsync="no") as server:
        yield server


@pytest.fixture
def pipeline(tmp_path: Path, own_valkey: Valkey, database_url: str) -> Iterator[Pipeline]:
    """On each database; workers as the test starts them."""
    with own_valkey.client() as client:
        client.flushall()
    migrate(database_url)
    with simulator_process(tmp_path / "simulator.jsonl", per_second=100) as simulator:
        made = Pipeline(tmp_path, own_valkey, database_url, simulator)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def run(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`run("erase", …)`: the command in this process; its JSON, after the exit code was compared."""
    for name, value in pipeline.environment.items():
        monkeypatch.setenv(name, value)

    def call(*words: str, exit_code: int = 0) -> Any:
        done = CliRunner().invoke(cli, [*words, "--json"])
        GUARD.said(words[0], pipeline.environment, stdout=done.stdout, stderr=done.stderr)
        assert done.exit_code == exit_code, f"{done.output}\n{done.exception!r}"
        return json.loads(done.stdout) if exit_code in (0, 1) else done.output

    return call


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    """A migrated one on each database, without anything else."""
    migrate(database_url)
    made = Ledger(open_engine(database_url))
    yield made
    made.close()
