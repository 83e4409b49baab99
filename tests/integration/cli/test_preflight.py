"""`gong-views check`: every condition for working passes, or is said with its mend."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from gong_worker.queue.server import ServerWatch
from tests.integration.cli.conftest import Run
from tests.support.pipeline import Pipeline
from tests.support.servers import Valkey, free_port, valkey


@pytest.fixture(scope="module")
def own() -> Iterator[Valkey]:
    """A Valkey whose configuration a test may change; it gives it back as it was."""
    with valkey(appendfsync="no") as server:
        yield server


@pytest.fixture(autouse=True)
def as_before(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "own" in request.fixturenames:
        with request.getfixturevalue("own").client() as client:
            for name, value in {
                "maxmemory": "0",
                "maxmemory-policy": "noeviction",
                "appendonly": "yes",
            }.items():
                client.config_set(name, value)
            client.config_set("min-replicas-to-write", "0")
            client.acl_deluser("limited")
            client.flushall()


def called(run: Run, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """As `checked`, with a call to Gong."""
    return checked(run, "--call", **environment)


def checked(run: Run, *words: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the findings by name."""
    done = run("check", "--json", *words, **environment)
    assert "Traceback" not in done.stderr
    data = json.loads(done.stdout)
    assert data["ok"] is (done.returncode == 0)
    return done.returncode, {finding["name"]: finding for finding in data["findings"]}


def test_a_pipeline_in_order_passes_every_line(run: Run, pipeline: Pipeline) -> None:
    """Exit 0; versions, policy, persistence, writes, clocks and permissions are each named; so are the workers."""
    code, findings = checked(run)
    assert code == 0, findings
    assert {name for name, one in findings.items() if one["verdict"] != "ok"} <= {"workers", "permissions"}
    assert set(findings) >= {
        "settings", "credentials", "queue", "queue policy", "queue persistence", "queue writes", "queue clock",
        "workers", "ledger", "ledger writes", "permissions",
    }  # fmt: skip
    assert "gong-views worker" in findings["workers"]["mend"]
    pipeline.worker()
    assert checked(run)[1]["workers"]["text"] == "1 alive"
    text = run("check").stdout
    assert "REDIS_URL" in text
    assert "sim-secret" not in text


def test_an_evicting_redis_is_refused_by_workers_up_and_check(run: Run, own: Valkey) -> None:
    """A policy that may delete queued events stops the start, also where CONFIG is forbidden: INFO tells it."""
    with own.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.acl_setuser(
            "limited", enabled=True, passwords=["+hush-hush"], keys=["*"], channels=["*"],
            categories=["+@all"], commands=["-config"],
        )  # fmt: skip
    managed = f"redis://limited:hush-hush@127.0.0.1:{own.port}/0"
    for words in (("worker",), ("up",)):
        done = run(*words, REDIS_URL=managed)
        assert done.returncode != 0
        assert "maxmemory-policy is allkeys-lru" in done.stderr
        assert "noeviction" in done.stderr
        assert "hush" not in done.stderr + done.stdout
    code, findings = checked(run, REDIS_URL=managed)
    assert code == 1
    assert findings["queue policy"]["verdict"] == "failed"
    assert "noeviction" in findings["queue policy"]["mend"]


def test_a_redis_that_keeps_nothing_or_takes_nothing_is_told(run: Run, own: Valkey) -> None:
    """No append-only file is a warning; a full one and one that refuses writes fail, each with its reason."""
    with own.client() as client:
        client.config_set("appendonly", "no")
        code, findings = checked(run, REDIS_URL=own.url)
        assert code == 0
        assert findings["queue persistence"]["verdict"] == "warning"
        client.config_set("maxmemory", "1mb")
        code, findings = checked(run, REDIS_URL=own.url)
        assert (code, findings["queue writes"]["verdict"]) == (1, "failed")
        assert "out of memory" in findings["queue writes"]["text"]
        client.config_set("maxmemory", "0")
        client.config_set("min-replicas-to-write", "1")
        code, findings = checked(run, REDIS_URL=own.url)
        assert (code, findings["queue writes"]["verdict"]) == (1, "failed")
        assert "replicas" in findings["queue writes"]["text"]


def test_what_is_away_outdated_or_unknown_fails_with_its_mend(run: Run, pipeline: Pipeline) -> None:
    """Each trouble is one line of its own, all of them in one run."""
    (pipeline.folder / "seen").mkdir()
    (pipeline.folder / "seen").chmod(0o755)  # whatever the umask
    code, findings = checked(
        run,
        REDIS_URL=f"redis://:hush@127.0.0.1:{free_port()}/0",
        DATABASE_URL=f"sqlite:///{pipeline.folder}/absent.db",
        GONG_ACCESS_KEY="",
        GONG_ACCESS_KEY_SECRET="",
        GONG_VIEWS_CALLS_PER_SECND="1",
        GONG_VIEWS_DATA_DIR=str(pipeline.folder / "seen"),
    )
    assert code == 1
    assert "did you mean GONG_VIEWS_CALLS_PER_SECOND" in findings["settings"]["text"]
    assert "GONG_BEARER_TOKEN" in findings["credentials"]["mend"]
    assert "refuses connections" in findings["queue"]["text"]
    assert "gong-views migrate" in findings["ledger"]["text"]
    assert findings["permissions"]["verdict"] == "warning"
    assert str(pipeline.folder / "seen") in findings["permissions"]["text"]
    assert not (pipeline.folder / "absent.db").exists()


def test_call_asks_gong_for_an_answer_that_creates_nothing(run: Run, pipeline: Pipeline) -> None:
    """An empty event, answered 400, proves address and credential; it is one call, counted, and paced."""
    before = pipeline.gong.stats()["calls"]
    code, findings = called(run)
    assert (code, findings["call"]["verdict"]) == (0, "ok"), findings
    assert pipeline.gong.stats()["calls"] == before + 1
    assert pipeline.gong.stats()["accepted"] == 0
    assert pipeline.services.gate.status().last_24h == 1
    assert "call" not in checked(run)[1]
    assert pipeline.gong.stats()["calls"] == before + 1

    code, findings = called(run, GONG_ACCESS_KEY_SECRET="wrong")
    assert (code, findings["call"]["verdict"]) == (1, "failed")
    assert "401" in findings["call"]["text"]
    assert pipeline.services.gate.status().state == "open", "the workers' gate is none of its business"
    code, findings = called(run, GONG_BASE_URL=f"http://127.0.0.1:{free_port()}")
    assert (code, findings["call"]["verdict"]) == (1, "failed")
    assert "GONG_BASE_URL" in findings["call"]["mend"]

    pipeline.services.gate.hold("maintenance", "tests")
    calls = pipeline.gong.stats()["calls"]
    code, findings = called(run)
    assert (code, findings["call"]["verdict"]) == (0, "warning")
    assert "operator" in findings["call"]["text"]
    assert pipeline.gong.stats()["calls"] == calls


def test_the_preflights_settings_do_not_become_the_companys(run: Run, pipeline: Pipeline) -> None:
    """A check from a machine with other limits in its environment changes none, and a worker's stay."""
    pipeline.worker()
    pipeline.enqueue([1])
    pipeline.drain()
    called(run, GONG_VIEWS_CALLS_PER_SECOND="2", GONG_VIEWS_CALLS_PER_DAY="900")
    limits = pipeline.services.gate.status()
    assert (limits.per_second_limit, limits.per_day_limit) == (100, 10_000)


def test_a_running_worker_tells_once_that_the_policy_was_changed(
    own: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    """One line when the server becomes unfit, one when it is fit again."""
    caplog.set_level(logging.INFO)
    with own.client() as client:
        watch = ServerWatch(client)
        watch.look()
        client.config_set("maxmemory-policy", "volatile-lru")
        watch.look()
        watch.look()
        client.config_set("maxmemory-policy", "noeviction")
        watch.look()
        watch.look()
    assert [record.action for record in caplog.records] == ["queue_server_unfit", "queue_server_fit"]
