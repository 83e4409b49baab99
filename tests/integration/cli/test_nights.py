"""The ten nights of docs/operations.md: each row's trouble is made, seen and mended by the row's own commands."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gong_views import ViewQueue
from gong_views.names import WORKERS_KEY
from gong_worker.ledger import migrate
from tests.integration.cli.conftest import Run
from tests.integration.cli.letters import three_kinds
from tests.support.own_postgres import OwnPostgres, own_postgres
from tests.support.pipeline import Pipeline
from tests.support.servers import Valkey, valkey, wait_until
from tests.support.views import view

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"
ROWS = {
    cells[0]: (cells[1], cells[2])
    for line in PAGE.read_text().partition("## Ten nights")[2].partition("\n## ")[0].splitlines()
    if line.startswith("|") and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 3
}


class Night:
    """One row: what it says is seen has to be seen, and its commands are the ones that are typed."""

    def __init__(self, run: Run, name: str) -> None:
        self.run = run
        self.sees, does = ROWS[name]
        self.left = set(re.findall(r"`(gong-views [^`]+)`", does))

    def seen(self, code: int = 0) -> Any:
        """Wait until `gong-views status` shows what the row says; the same as JSON."""
        texts = re.findall(r"`([^`]+)`", self.sees)
        done = None

        def shown() -> bool:
            nonlocal done
            done = self.run("status", "--utc")
            return done.returncode == code and all(text in done.stdout for text in texts)

        try:
            wait_until(shown, f"status to show {texts}", 60)
        except AssertionError as error:
            raise AssertionError(f"{error}: {done}") from None
        return json.loads(self.run("status", "--json").stdout)

    def typed(self, command: str) -> None:
        """One of the row's commands that is no single run, or is run otherwise."""
        self.left.remove(command)

    def do(self, command: str, *, code: int = 0, **values: str) -> str:
        """Type one of the row's commands, its words in capitals replaced; what it prints."""
        self.left.discard(command)
        for name, value in values.items():
            command = command.replace(name, value)
        done = self.run(*shlex.split(command)[1:])
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def night(run: Run, request: pytest.FixtureRequest) -> Iterator[Night]:
    """The row that the test names; at its end every command of the row has been typed."""
    made = Night(run, request.param)
    yield made
    assert made.left == set(), "commands of the docs that the test does not type"


def of(name: str) -> Callable[..., Any]:
    """The test plays this row."""
    return pytest.mark.parametrize("night", [name], indirect=True, ids=[""])


def test_each_night_is_played() -> None:
    """The table has the ten nights, and each has a test below."""
    rows = set(ROWS) - {"the night", "---"}
    assert len(rows) == 10
    played = re.findall(r'^@of\("([^"]+)"\)$', Path(__file__).read_text(), re.MULTILINE)
    assert sorted(played) == sorted(rows)


@of("Gong refuses the credential (401)")
def test_a_refused_credential(night: Night, pipeline: Pipeline) -> None:
    """Held and told at once; a worker with the new credential delivers, and nothing was lost or spent."""
    good = pipeline.environment["GONG_ACCESS_KEY_SECRET"]
    pipeline.environment["GONG_ACCESS_KEY_SECRET"] = "expired"
    old = pipeline.worker()
    pipeline.enqueue(range(10))
    night.seen()
    old.terminate()
    pipeline.environment["GONG_ACCESS_KEY_SECRET"] = good
    pipeline.worker()
    night.typed("gong-views worker")
    pipeline.drain()
    pipeline.verify()


@of("Gong says 429 and to wait an hour")
def test_an_hours_retry_after(night: Night, pipeline: Pipeline) -> None:
    """The end is told; no call is made until then, unless an operator who knows better says so."""
    pipeline.gong.fault("status", status=429, headers={"Retry-After": "3600"})
    pipeline.worker()
    pipeline.enqueue(range(10))
    gate = night.seen()["gate"]
    assert 3500 < (datetime.fromisoformat(gate["until"]) - datetime.now(UTC)).total_seconds() < 3610
    night.do("gong-views release --even-retry-after")
    pipeline.drain()
    pipeline.verify()


@of("Gong answers 500 for an hour")
def test_an_hour_of_500s(night: Night, pipeline: Pipeline) -> None:
    """Few calls are spent, one probe at a time; a release tries at once and all is delivered."""
    rule = pipeline.gong.fault("status", status=500, times=None)
    pipeline.worker()
    pipeline.enqueue(range(10))
    night.seen()
    pipeline.gong.clear_faults(rule)
    night.do("gong-views release")
    pipeline.drain()
    pipeline.verify()


@of("A producer's events are refused (400)")
def test_a_class_of_400s(night: Night, pipeline: Pipeline) -> None:
    """The run of refusals holds the gate; one group, released and replayed, and every event is delivered once."""
    rule = pipeline.gong.fault("reject", times=None, errors=["contentId is unknown"])
    pipeline.worker()
    pipeline.enqueue(range(60))
    night.seen()
    assert "contentId is unknown" in night.do("gong-views dead-letters groups")
    pipeline.gong.clear_faults(rule)
    night.do("gong-views release")
    pipeline.drain()
    [group] = json.loads(night.run("dead-letters", "groups", "--json").stdout)["groups"]
    night.do("gong-views dead-letters replay --group GROUP --yes", GROUP=group["group"])
    pipeline.drain()
    assert pipeline.ledger.counts()["delivered"] == 60
    assert pipeline.lost() == set()


@of("The day's calls are used up")
def test_the_spent_day(night: Night, pipeline: Pipeline) -> None:
    """The end is told; a higher limit counts for all workers at once."""
    pipeline.worker(calls_per_day=5, day_reserve=0)
    pipeline.enqueue(range(10))
    assert night.seen()["gate"]["until"] is not None
    night.do("gong-views limits set --calls-per-day N", N="100")
    pipeline.drain()
    pipeline.verify()


@of("Workers are frozen or gone")
def test_frozen_workers(night: Night, pipeline: Pipeline) -> None:
    """No worker alive is said within 15 s; another worker takes everything, also what the frozen one holds."""
    frozen = pipeline.worker()
    wait_until(lambda: pipeline.redis.hlen(WORKERS_KEY), "its heartbeat")
    pipeline.gong.settings(latency_ms=(300, 300))
    pipeline.enqueue(range(10))
    wait_until(lambda: pipeline.gong.stats()["in_flight"], "a call")
    frozen.freeze()
    [(name, raw)] = pipeline.redis.hgetall(WORKERS_KEY).items()  # type: ignore[union-attr]
    beat = json.loads(raw)
    beat["heartbeat_at"] = "2026-01-01T00:00:00+00:00"  # as if half a minute had passed
    pipeline.redis.hset(WORKERS_KEY, name, json.dumps(beat))
    night.seen()
    assert "no worker" in night.do("gong-views status --check", code=4)
    pipeline.worker()
    night.typed("gong-views worker")
    pipeline.drain()
    frozen.kill()
    pipeline.verify()


@of("9,000 events wait and somebody asks when they are through")
def test_nine_thousand_wait(night: Night, pipeline: Pipeline) -> None:
    """The time is told, for the present rate and for a higher one; what waits can be looked at."""
    pipeline.worker(calls_per_second=3, day_reserve=0)
    with ViewQueue(pipeline.valkey.url) as queue:
        queue.enqueue_many([view(number) for number in range(9000)])
    slow = due(night.seen())
    assert 2900 < slow < 3600
    assert "view-" in night.do("gong-views queue peek")
    night.do("gong-views limits set --calls-per-second 6")
    assert due(json.loads(night.run("status", "--json").stdout)) < slow * 0.6


def due(status: Any) -> float:
    """Seconds until all is drained."""
    assert status["drain"]["certain"]
    return (datetime.fromisoformat(status["drain"]["at"]) - datetime.now(UTC)).total_seconds()


@of("600 dead letters of three kinds")
def test_six_hundred_letters(night: Night, pipeline: Pipeline) -> None:
    """One kind is edited and replayed, one replayed, one discarded: four commands, no program."""
    three_kinds(pipeline.ledger, 200)
    night.seen()
    night.do("gong-views dead-letters groups")
    groups = json.loads(night.run("dead-letters", "groups", "--json").stdout)["groups"]
    email, unknown, title = (
        next(one["group"] for one in groups if word in one["error_kind"])
        for word in ("email", "unknown", "Title")
    )
    night.do(
        "gong-views dead-letters edit --group GROUP --set viewer.email=team@globex.example --yes", GROUP=email
    )
    night.do("gong-views dead-letters replay --group GROUP --yes", GROUP=unknown)
    night.do('gong-views dead-letters discard --group GROUP --why "test data" --yes', GROUP=title)
    pipeline.worker()
    wait_until(lambda: pipeline.ledger.counts()["delivered"] == 400, "the replays to be delivered", 90)
    assert pipeline.ledger.counts()["dead_letters_open"] == 0


@pytest.fixture
def own(tmp_path: Path, pipeline: Pipeline) -> Iterator[tuple[Valkey, OwnPostgres]]:
    """The pipeline on a Valkey and a PostgreSQL that may be killed."""
    with valkey() as server, own_postgres() as database:
        url = database.new_database()
        migrate(url)
        other = Pipeline(tmp_path, server, url, pipeline.simulator)
        for name, value in vars(other).items():
            setattr(pipeline, name, value)
        yield server, database


@of("Redis is gone")
def test_redis_gone(night: Night, pipeline: Pipeline, own: tuple[Valkey, OwnPostgres]) -> None:
    """It is said, and that nothing is called; when it is back the workers go on and everything adds up."""
    server, _ = own
    pipeline.worker()
    pipeline.enqueue(range(5))
    pipeline.drain()
    server.kill()
    night.seen(code=3)
    server.start()
    pipeline.enqueue(range(5, 10))
    pipeline.drain()
    night.do("gong-views reconcile")
    pipeline.verify()


@of("The database is gone")
def test_the_database_gone(night: Night, pipeline: Pipeline, own: tuple[Valkey, OwnPostgres]) -> None:
    """It is said, no message is taken, no call made; when it is back the workers go on and everything adds up."""
    _, database = own
    worker = pipeline.worker()
    database.kill()
    pipeline.enqueue(range(10))
    wait_until(lambda: "action=intake_paused" in worker.log, "the worker to pause")
    night.seen()
    assert pipeline.gong.stats()["calls"] == 0
    database.start()
    pipeline.drain()
    night.do("gong-views reconcile")
    pipeline.verify()
