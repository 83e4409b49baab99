"""A pipeline on the ledger and with the workers of the previous release."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.upgrade.support import Line, Start
from tests.support.previous import NoHistory, PreviousRelease, unpack
from tests.support.servers import Valkey
from tests.support.simulator import SimulatorProcess, simulator_process


@pytest.fixture(scope="session")
def previous(tmp_path_factory: pytest.TempPathFactory) -> PreviousRelease:
    """Its code; the test is skipped where the history does not have it."""
    try:
        return unpack(tmp_path_factory.mktemp("previous"))
    except NoHistory as why:
        pytest.skip(f"{why} (a shallow clone? `git fetch --unshallow`)")


@pytest.fixture(scope="module")
def simulator_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    """One simulator for all; what is asked of the pace is asked elsewhere."""
    log = tmp_path_factory.mktemp("simulator") / "calls.jsonl"
    with simulator_process(log, per_second=None, per_day=None) as server:
        yield server


@pytest.fixture
def line(
    tmp_path: Path, valkey_server: Valkey, redis_url: str, simulator_server: SimulatorProcess
) -> Iterator[Start]:
    """`line(database_url)`: queue, ledger and an empty simulator; its workers are ended after the test.

    `server`: a Valkey of the test's own. `before`: the line that this one goes on from.
    """
    simulator_server.client.reset()
    with ExitStack() as stack:

        def start(database_url: str, *, server: Valkey = valkey_server, before: Line | None = None) -> Line:
            folder = tmp_path / ("line" if before is None else "restored")
            folder.mkdir()
            made = Line(folder, server, database_url, simulator_server)
            made.enqueued = Counter() if before is None else before.enqueued
            stack.callback(made.close)
            return made

        yield start
