"""Redis Sentinel behind the whole pipeline: workers and producers follow the primary."""

import time
from pathlib import Path
from types import SimpleNamespace

import redis

from tests.support.pipeline import Pipeline
from tests.support.sentinel import watched
from tests.support.servers import Valkey, wait_until
from tests.support.simulator import SimulatorProcess

# What a primary acknowledges this shortly before its death, or while another is being promoted, may be lost with it.
NOT_YET_REPLICATED_SECONDS = 2.0


def is_primary(server: Valkey) -> bool:
    """Whether it still is, for all that is known: in being demoted a server drops its connections."""
    try:
        with server.client() as client:
            return bool(client.info("replication")["role"] == "master")
    except redis.ConnectionError:
        return True


def test_failovers_under_load(sqlite_url: str, simulator: SimulatorProcess, tmp_path: Path) -> None:
    """Two failovers, by command and by death: all go on by themselves, nothing is accepted twice, the loss is short."""
    with watched() as servers:
        behind = SimpleNamespace(url=servers.url)
        line = Pipeline(tmp_path, behind, sqlite_url, simulator, concurrency=3)  # type: ignore[arg-type]
        try:
            worker = line.worker()
            first = servers.primary()
            with line.producing(range(60)):
                wait_until(lambda: line.gong.stats()["accepted"] > 5, "deliveries")
                began_at = time.monotonic()
                with servers.sentinel() as client:
                    client.execute_command("SENTINEL", "FAILOVER", "gong")
                wait_until(lambda: servers.primary() is not first, "the planned failover")
                wait_until(lambda: not is_primary(first), "the first to be demoted")
                ended_at = time.monotonic()
            line.drain()
            second = servers.primary()
            wait_until(servers.has_replica, "the first to follow the second")
            with line.producing(range(60, 120)):
                wait_until(lambda: line.gong.stats()["accepted"] > 65, "deliveries after the failover")
                second.kill()
                killed_at = time.monotonic()
            line.drain()
            assert servers.primary() is first and worker.running(), line.account()
            lost = line.lost()
            for at in (line.last_at[event] for event in lost):
                before_death = 0 <= killed_at - at < NOT_YET_REPLICATED_SECONDS
                assert before_death or began_at - NOT_YET_REPLICATED_SECONDS < at < ended_at, line.account()
            stats = line.gong.stats()
            assert stats["accepted"] == len(line.accepted()) == 120 - len(lost), line.account()
            assert stats["concurrent_same_key"] == 0
        finally:
            line.close()
