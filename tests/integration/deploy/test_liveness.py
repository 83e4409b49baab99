"""`gong-views worker --health`, which a container's health check runs."""

import os
from pathlib import Path

from click.testing import CliRunner

from gong_worker.cli import cli
from gong_worker.ledger import migrate
from gong_worker.liveness import STALE_SECONDS, beat
from tests.support.pipeline import Pipeline
from tests.support.servers import valkey, wait_until
from tests.support.simulator import simulator_process


def test_a_worker_lives_without_redis_and_is_dead_when_it_stops(tmp_path: Path) -> None:
    """Health needs a fresh sign of life and nothing else: an outage of Redis kills no worker, silence does."""
    sign = tmp_path / "worker.alive"
    migrate(f"sqlite:///{tmp_path / 'ledger.db'}")
    with valkey(appendfsync="no") as server, simulator_process(tmp_path / "simulator.jsonl") as simulator:
        pipeline = Pipeline(tmp_path, server, f"sqlite:///{tmp_path / 'ledger.db'}", simulator)

        def health() -> int:
            return CliRunner().invoke(cli, ["worker", "--health"], env=pipeline.environment).exit_code

        try:
            assert health() == 1
            pipeline.worker()
            wait_until(lambda: health() == 0, "the first sign of life", 120)
            server.kill()
            before = sign.stat().st_mtime
            wait_until(lambda: sign.stat().st_mtime > before, "a sign of life without Redis", 120)
            assert health() == 0
        finally:
            pipeline.close()
        os.utime(sign, (before - STALE_SECONDS, before - STALE_SECONDS))
        assert health() == 1


def test_health_says_what_is_missing(tmp_path: Path) -> None:
    """Without the data directory the check cannot know anything, and says which setting to set."""
    environment = {"GONG_VIEWS_DATA_DIR": str(tmp_path / "none")}
    done = CliRunner().invoke(cli, ["worker", "--health"], env=environment)
    assert done.exit_code == 1
    assert "GONG_VIEWS_DATA_DIR" in done.output


def test_no_data_directory_is_made(tmp_path: Path) -> None:
    """A worker on servers of its own leaves no folder behind in its working directory."""
    beat(tmp_path / "none")
    assert not (tmp_path / "none").exists()
