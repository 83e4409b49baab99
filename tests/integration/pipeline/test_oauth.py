"""Laws of a pipeline whose workers call with OAuth, as whole processes."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gong_worker.domain.grants import GrantState
from gong_worker.domain.holds import HoldReason
from gong_worker.ledger import migrate
from gong_worker.oauth import new_key
from gong_worker.operations.oauth import import_grant
from tests.support.pipeline import Pipeline
from tests.support.processes import command as run
from tests.support.servers import Valkey, wait_until
from tests.support.simulator import simulator_process

SIMULATOR = {"per_second": 100, "access_key": None, "bearer_token": None}


@pytest.fixture
def make(tmp_path: Path, valkey_server: Valkey, redis_url: str) -> Iterator[Callable[..., Pipeline]]:
    """A pipeline with an OAuth client that nobody has approved; arguments: settings of the simulator."""
    made: list[Pipeline] = []
    database_url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate(database_url)
    with simulator_process(tmp_path / "simulator.jsonl", **SIMULATOR) as simulator:
        credentials = {
            "GONG_OAUTH_CLIENT_ID": "sim-client",
            "GONG_OAUTH_CLIENT_SECRET": "sim-client-secret",
            "GONG_OAUTH_KEY": new_key(),
            "GONG_OAUTH_TOKEN_URL": f"{simulator.url}/oauth2/generate-customer-token",
        }

        def pipeline(**settings: Any) -> Pipeline:
            simulator.client.settings(**settings)
            made.append(Pipeline(tmp_path, valkey_server, database_url, simulator, credentials=credentials))
            return made[0]

        try:
            yield pipeline
        finally:
            for one in made:
                one.close()


def command(pipeline: Pipeline, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    """`gong-views` with these words, as an operator types it beside a worker."""
    return run(*words, environment=pipeline.environment, stdin=given)


def bring_token(pipeline: Pipeline) -> None:
    """A new approval, as `gong-views oauth import` takes it."""
    assert import_grant(pipeline.services, pipeline.gong.grant(), by="tests").state is GrantState.USABLE


def held(pipeline: Pipeline) -> str:
    """The note of the hold for want of a credential, as `status` tells it; empty without one."""
    holds = pipeline.services.gate.status().holds
    return next((hold.note or "" for hold in holds if hold.reason is HoldReason.UNAUTHORIZED), "")


def no_token_in_clear(pipeline: Pipeline) -> None:
    """In no file of the folder (ledger, logs), and nowhere in Redis."""
    tokens = [token.encode() for token in pipeline.gong.tokens()]
    assert tokens
    files = [path for path in pipeline.folder.rglob("*") if path.is_file()]
    stored = b"".join(path.read_bytes() for path in files)
    stored += b"".join(pipeline.redis.dump(key) or b"" for key in pipeline.redis.scan_iter())
    assert not [token for token in tokens if token in stored]


def test_a_worker_waits_for_the_approval(make: Callable[..., Pipeline]) -> None:
    """Without an approval no call is made and status says what to run; with it everything is delivered.

    To the address that came with the token.
    """
    pipeline = make()
    worker = pipeline.worker()
    pipeline.enqueue(range(20))
    wait_until(lambda: pipeline.gong.stats()["calls"] == 0 and held(pipeline), "the hold")
    assert "gong-views oauth login" in held(pipeline)
    assert "oauth login" in command(pipeline, "status").stdout
    done = command(pipeline, "oauth", "import", "--json", given=pipeline.gong.grant())
    assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "usable"), done.stderr
    pipeline.drain()
    pipeline.verify()
    assert pipeline.gong.stats()["outcomes"] == {"accepted": 20}
    assert held(pipeline) == ""
    assert json.loads(done.stdout)["base_url"] == pipeline.simulator.url
    assert worker.terminate() == 0
    no_token_in_clear(pipeline)


def test_tokens_that_expire_all_the_time_cost_no_call(make: Callable[..., Pipeline]) -> None:
    """Two workers under load go over several access tokens: none is refused, each is renewed once."""
    pipeline = make(access_token_seconds=6)
    bring_token(pipeline)
    pipeline.worker(ready=False)
    pipeline.worker(ready=False)
    pipeline.wait_ready(*pipeline.workers)
    before = pipeline.gong.oauth()["refreshes"]
    number = 0
    while pipeline.gong.oauth()["refreshes"] < before + 2:
        with pipeline.producing(range(number, number + 25)):
            number += 25
    pipeline.drain()
    pipeline.verify()
    assert set(pipeline.gong.stats()["outcomes"]) == {"accepted"}
    asked = pipeline.gong.oauth()
    assert (asked["reuses"], asked["refused"]) == (0, 0)


def test_a_revocation_holds_until_the_next_approval(make: Callable[..., Pipeline]) -> None:
    """After a revocation one call a thread at most is refused, then none is made; a new approval ends the hold."""
    pipeline = make()
    bring_token(pipeline)
    worker = pipeline.worker()
    pipeline.enqueue(range(5))
    pipeline.drain()
    pipeline.gong.revoke()
    pipeline.enqueue(range(5, 40))
    wait_until(lambda: "oauth login" in held(pipeline), "the hold")
    refused = pipeline.gong.stats()["outcomes"]["unauthorized"]
    assert 1 <= refused <= 4
    assert worker.log.count("action=oauth_refused") == 1
    bring_token(pipeline)
    pipeline.drain()
    pipeline.verify()
    assert pipeline.gong.stats()["outcomes"] == {"accepted": 40, "unauthorized": refused}
    no_token_in_clear(pipeline)


@pytest.mark.parametrize("point", ["renewal_leased", "renewal_answered"])
def test_a_refresher_that_is_killed_in_the_middle(make: Callable[..., Pipeline], point: str) -> None:
    """Killed before it asks, another takes over; killed with the answer in hand, the gate is held until a new approval.

    No event is lost, none counted twice.
    """
    pipeline = make()
    bring_token(pipeline)
    pipeline.gong.revoke(access_only=True)
    pipeline.enqueue(range(10))
    first = pipeline.worker(ready=False, stop_at=point, request_timeout_seconds=1)
    pipeline.wait_stopped_at(first, point)
    first.kill()
    second = pipeline.worker(request_timeout_seconds=1)
    if point == "renewal_answered":
        wait_until(lambda: "oauth login" in held(pipeline), "the hold", 60)
        assert "action=oauth_refused" in second.log
        assert pipeline.gong.oauth()["reuses"] == 1
        bring_token(pipeline)
    pipeline.drain()
    pipeline.verify()
    assert "action=oauth_takeover" in second.log
    assert pipeline.accepted() == {f"view-{number}" for number in range(10)}
