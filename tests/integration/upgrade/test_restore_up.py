"""Backup and restore of one machine's `gong-views up`, with the recipes of docs/backup.md."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from gong_views import ViewQueue
from gong_views.embedded import recorded_url
from gong_worker.simulator import SimulatorClient
from tests.integration.upgrade.test_restore import Recipes
from tests.support.processes import command, process
from tests.support.servers import wait_until
from tests.support.simulator import SimulatorProcess
from tests.support.views import view


@contextmanager
def up(environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """The URL of its queue; stopped in order after the block."""
    with process(["gong_worker", "up"], log, environment) as running:
        wait_until(lambda: "worker_ready" in running.log or not running.running(), "the worker", 60)
        url = recorded_url(Path(environment["GONG_VIEWS_DATA_DIR"]))
        assert url is not None, running.log
        yield url
        assert running.terminate() == 0


def accepted(gong: SimulatorClient) -> set[str]:
    return {event for _, event in gong.accepted()}


@pytest.fixture
def environment(tmp_path: Path, simulator_server: SimulatorProcess) -> dict[str, str]:
    simulator_server.client.reset()
    return {
        "GONG_VIEWS_DATA_DIR": str(tmp_path / "var"),
        "GONG_BASE_URL": simulator_server.url,
        "GONG_ACCESS_KEY": "sim-key",
        "GONG_ACCESS_KEY_SECRET": "sim-secret",
        "GONG_VIEWS_CALLS_PER_SECOND": "100",
    }


def test_the_data_directory_of_up(
    environment: dict[str, str], simulator_server: SimulatorProcess, tmp_path: Path
) -> None:
    """Queue and ledger of before come back: what waited is delivered, nothing twice, and the books agree."""
    gong, data, recipes = simulator_server.client, tmp_path / "var", Recipes(tmp_path, None)
    with up(environment, tmp_path / "first.log") as url, ViewQueue(url) as queue:
        queue.enqueue_many([view(number) for number in range(10)])
        wait_until(lambda: len(accepted(gong)) == 10, "the first events")
        command("hold", "--reason", "so that some wait", environment=environment)
        queue.enqueue_many([view(number) for number in range(10, 20)])
    recipes.run("embedded: take", REDIS_DIR=str(data))
    recipes.run("sqlite: take", LEDGER=str(data / "ledger.db"))
    with up(environment, tmp_path / "second.log") as url, ViewQueue(url) as queue:
        command("release", environment=environment)
        queue.enqueue_many([view(number) for number in range(20, 25)])
        wait_until(lambda: len(accepted(gong)) == 25, "all events")

    recipes.run("queue: restore", REDIS_DIR=str(data))
    recipes.run("sqlite: restore", LEDGER=str(data / "ledger.db"))
    with up(environment, tmp_path / "restored.log") as url, ViewQueue(url) as queue:
        command("release", environment=environment)
        queue.enqueue_many([view(number) for number in range(20, 25)])

        def settled() -> bool:
            done = command("reconcile", "--deep", "--json", environment=environment)
            return done.returncode == 0 and '"already_reported": 15,' in done.stdout

        wait_until(settled, "each to be delivered or answered 409", 60)
    times = [entry["key"][1] for entry in gong.log() if entry["accepted"]]
    assert sorted(times) == sorted(f"view-{number}" for number in range(25))
