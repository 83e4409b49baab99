"""`gong-views status`: what is going on, why, until when; and `--check` for monitoring."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gong_views.message import build
from gong_views.names import WORKERS_KEY, Lane
from gong_worker.cli.status_text import status_lines
from gong_worker.domain.grants import NO_ACCESS, GrantState
from gong_worker.domain.holds import GateState, HoldReason
from gong_worker.ledger import migrate
from gong_worker.operations import gate as gate_use_cases
from gong_worker.operations.monitoring import CheckCode, check
from gong_worker.operations.status import Status, status
from tests.integration.cli.conftest import Run
from tests.support.imports import loaded
from tests.support.pipeline import Pipeline
from tests.support.servers import free_port, wait_until
from tests.support.views import view

Told = Callable[..., Any]


def heartbeat(
    pipeline: Pipeline,
    name: str,
    *,
    age_seconds: float = -14,
    paused: str | None = None,
    credential: str = "",
) -> None:
    """What a worker leaves in Redis; by default far from growing old on a slow machine."""
    now, at = datetime.now(UTC), datetime.now(UTC) - timedelta(seconds=age_seconds)
    beat = {
        "id": name, "host": "host-1", "pid": 4711, "version": "0.1.0", "concurrency": 8, "in_hand": 2,
        "paused": paused, "since": now.isoformat(), "started_at": now.isoformat(),
        "heartbeat_at": at.isoformat(), "credential": credential, "target": "gong" if credential else "",
    }  # fmt: skip
    pipeline.redis.hset(WORKERS_KEY, name, json.dumps(beat))


def test_status_has_the_promised_shape(pipeline: Pipeline, told: Told) -> None:
    """`status --json` has the fields dashboards and scripts rely on, as numbers, ISO times or null."""
    pipeline.enqueue([1, 2], lane="live")
    pipeline.enqueue([3], lane="bulk")
    heartbeat(pipeline, "host-1-4711-aa")
    before = datetime.now(UTC)
    found = told("status")
    assert found["queue"] == {"live": 2, "bulk": 1, "delayed": 0, "unacked": 0, "held": 0, "error": None}
    assert found["gate"] == {
        "state": "open",
        "reason": None,
        "until": None,
        "note": None,
        "holds": [],
        "probe": None,
    }
    whole = dict.fromkeys(("grows_at", "grows_to", "whole_at"))
    assert found["calls"] == {
        "per_second_limit": 100, "current_rate": 100, "reserve_per_second": 0, "bulk_reserve_per_second": 1,
        "live": {"calls": 100, "most": 100, **whole}, "bulk": {"calls": 99, "most": 99, **whole},
        "throttled_at": None, "last_24h": 0, "per_day_limit": 10_000, "per_day_cap": 9_500,
    }  # fmt: skip
    names = ("sending", "waiting", "delivered", "dead", "duplicates")
    assert found["ledger"] == {**dict.fromkeys(names, 0), "error": None}
    assert found["dead_letters"] == {"open": 0}
    assert 0 <= found["oldest_waiting"]["bulk_seconds"] <= found["oldest_waiting"]["live_seconds"] < 60
    [worker] = found["workers"]
    wanted = {
        "id": "host-1-4711-aa", "host": "host-1", "pid": 4711, "version": "0.1.0", "concurrency": 8,
        "in_hand": 2, "paused": None, "alive": True,
    }  # fmt: skip
    assert {name: worker[name] for name in wanted} == wanted
    assert {"since", "heartbeat_at"} < worker.keys()
    assert (found["drain"]["events"], found["drain"]["certain"]) == (3, True)
    assert datetime.fromisoformat(found["drain"]["at"]) > before


def test_status_tells_the_share_why_and_until_when(pipeline: Pipeline, told: Told, run: Run) -> None:
    """What is left to others and what they were found to take: in status, its JSON, limits, the forecast and check."""
    told(
        "limits",
        "set",
        "--calls-per-second",
        "4",
        "--reserve-per-second",
        "1",
        "--bulk-reserve-per-second",
        "2",
    )
    heartbeat(pipeline, "alive")
    pipeline.enqueue([1])
    found = {one["name"]: (one["value"], one["origin"]) for one in told("limits")["limits"]}
    assert found["reserve_per_second"] == (1, "operator")
    assert found["bulk_reserve_per_second"] == (2, "operator")
    shown = "\n".join(status_lines(status(pipeline.services), utc=True)["calls"])  # type: ignore[arg-type]
    assert "3 of 4 per second, 2 of them with bulk" in shown
    assert "live: 3, 1 per second left to others" in shown
    assert "bulk: 2, 2 per second left to others" in shown
    now = int(pipeline.redis.time()[0]) * 1_000_000
    state = {"share": "1", "rate_at": str(now), "decreased_at": str(now), "dwell": "30000000"}
    pipeline.redis.hset("{gong-views.gate}:state", mapping=state)
    calls = told("status")["calls"]
    at = datetime.fromtimestamp(now / 1e6, UTC)
    assert (calls["current_rate"], calls["live"]["calls"], calls["live"]["most"]) == (1, 1, 3)
    times = [
        calls["throttled_at"],
        calls["live"]["grows_at"],
        calls["live"]["whole_at"],
        calls["bulk"]["whole_at"],
    ]
    assert [(datetime.fromisoformat(one) - at).total_seconds() for one in times] == [0, 30, 35, 30]
    assert calls["live"]["grows_to"] == 2
    shown = run("status", "--utc").stdout
    assert "live: 1 of 3 since others spend, too" in shown
    assert "unless refused again" in shown
    assert "live events may use 1 now, bulk ones 1; 3 from" in run("check").stdout
    assert "reserve_per_second" in run("limits", "unset").stdout


def test_no_estimate_while_nobody_works(pipeline: Pipeline) -> None:
    """Without a live worker, or with every one paused, the drain time is unknown and says why; check is 4."""
    pipeline.enqueue([1])
    assert drained(pipeline) == "no worker is alive"
    heartbeat(pipeline, "frozen", age_seconds=16)
    found = status(pipeline.services)
    assert (found.drain.at, found.drain.why) == (None, "no worker is alive")
    assert [worker.alive for worker in found.workers] == [False]
    assert check(found).code is CheckCode.NO_WORKER
    heartbeat(pipeline, "paused", paused="ledger: locked")
    assert drained(pipeline) == "every worker is paused (ledger: locked)"
    heartbeat(pipeline, "paused")
    assert status(pipeline.services).drain.at is not None
    assert check(status(pipeline.services)).code is CheckCode.FINE


def drained(pipeline: Pipeline) -> str:
    found = status(pipeline.services).drain
    assert (found.at, found.certain) == (None, False)
    return found.why


def test_every_hold_is_listed(pipeline: Pipeline, told: Told) -> None:
    """Of several holds each is told, with its end and who put it on; release says what still holds."""
    heartbeat(pipeline, "alive")
    pipeline.enqueue([1])
    pipeline.redis.hset("{gong-views.gate}:state", "not_before", str(1_900_000_000_000_000))
    gate_use_cases.hold(pipeline.services, "maintenance", by="dana")
    found = status(pipeline.services)
    assert [(hold.reason.value, hold.by) for hold in found.gate.holds] == [
        ("operator", "dana"), ("retry_after", None),
    ]  # fmt: skip
    assert found.gate.holds[0].note == "maintenance"
    assert found.drain.why == "held (operator) until it is released"
    released = told("release")
    assert released["changed"] == "ended: operator"
    assert [hold["reason"] for hold in released["holds"]] == ["retry_after"]
    after = status(pipeline.services)
    assert after.drain.at is not None
    assert after.drain.at > datetime(2030, 3, 1, tzinfo=UTC)
    assert [entry.action.value for entry in pipeline.ledger.list_actions(limit=9).entries] == [
        "release", "hold",
    ]  # fmt: skip


def test_a_hold_that_no_release_ends(pipeline: Pipeline) -> None:
    """Without an approval of Gong's status says what to run, and nothing of a release."""
    heartbeat(pipeline, "alive")
    pipeline.enqueue([1])
    pipeline.services.gate.credential(usable=False, why=GrantState.MISSING.value, renewed=False)
    assert drained(pipeline) == f"held (unauthorized): {NO_ACCESS[GrantState.MISSING]}"
    lines = str(status_lines(status(pipeline.services), utc=True))
    assert lines.count("gong-views oauth login") == 2 and "release" not in lines


def test_the_gate_is_told_as_the_workers_see_it(pipeline: Pipeline) -> None:
    """A hold of their credential is told to whoever asks with another; one of nobody's is not; of some, says so."""
    pipeline.enqueue([1])
    soon = 1_900_000_000_000_000
    for credential in ("theirs", "retired"):
        pipeline.redis.hset("{gong-views.gate}:holds", f"unauthorized:{credential}", f"{soon} 5000000 1")
    heartbeat(pipeline, "one", credential="theirs")
    found = status(pipeline.services)
    assert (found.gate.state, found.gate.reason) == (GateState.HELD, HoldReason.UNAUTHORIZED)
    assert [hold.reason for hold in found.gate.holds] == [HoldReason.UNAUTHORIZED]
    assert found.drain.why.startswith("at the earliest")
    heartbeat(pipeline, "two", credential="new")
    found = status(pipeline.services)
    assert found.gate.state is GateState.OPEN
    [hold] = found.gate.holds
    assert hold.reason is HoldReason.UNAUTHORIZED and "of some workers" in hold.note
    pipeline.redis.delete(WORKERS_KEY)
    heartbeat(pipeline, "three", credential="new")
    assert status(pipeline.services).gate.holds == []


def test_a_probe_promises_nothing(pipeline: Pipeline) -> None:
    """While the breaker holds, the drain time is the earliest possible, and says so."""
    heartbeat(pipeline, "alive")
    pipeline.enqueue([1])
    status(pipeline.services)
    pipeline.redis.hset("{gong-views.gate}:state", "open_until", str(1_900_000_000_000_000))
    found = status(pipeline.services)
    assert found.gate.state is GateState.HELD
    assert (found.drain.certain, found.drain.at is None) == (False, False)
    assert found.drain.why.startswith("at the earliest")


def test_status_needs_no_sqlalchemy(pipeline: Pipeline, database_url: str) -> None:
    """Before the first event and after it the counts are read without it, on each database, and are the ledger's."""

    def told() -> tuple[set[str], Any]:
        environment = {**pipeline.environment, "DATABASE_URL": database_url}
        found, printed = loaded(["-m", "gong_worker", "status", "--json"], 0, **environment)
        return found, json.loads(printed)

    migrate(database_url)
    found, empty = told()
    assert "sqlalchemy" not in found and empty["ledger"]["error"] is None
    pipeline.environment["DATABASE_URL"] = database_url
    pipeline.enqueue([1, 2, 3])
    pipeline.worker()
    wait_until(lambda: told()[1]["ledger"]["delivered"] == 3, "the events to be delivered", 60)
    found, after = told()
    assert "sqlalchemy" not in found
    assert (after["calls"]["last_24h"], after["ledger"]["error"]) == (3, None)
    pipeline.workers[0].kill()
    pipeline.redis.flushdb()
    found, wiped = told()
    assert wiped["calls"]["last_24h"] == 3  # which only the ledger knows by now
    assert "sqlalchemy" in found


def test_a_day_that_nobody_can_tell_is_not_told_as_none(pipeline: Pipeline, told: Told, run: Run) -> None:
    """Where only the ledger knew the day's calls, and cannot tell them, no slot is given: the gate is not open then."""
    pipeline.enqueue([1])
    pipeline.worker()
    wait_until(pipeline.drained, "the event to be delivered", 60)
    pipeline.workers[0].kill()
    pipeline.redis.flushdb()
    assert told("status")["calls"]["last_24h"] == 1
    with pipeline.ledger.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE attempts")
    found = run("status", "--json")
    assert found.returncode == 3
    gate = json.loads(found.stdout)["gate"]
    assert gate["state"] == "unavailable" and "attempts" in gate["note"]
    for words in (["hold", "--reason", "the ledger is broken"], ["limits"], ["release"]):
        assert run(*words).returncode == 0  # they need no ledger


def test_a_command_closes_what_it_opens(pipeline: Pipeline, run: Run) -> None:
    """SQLite's file stands alone after it, with all that was committed: what `cp` then takes is the whole ledger."""
    file = Path(str(pipeline.ledger.engine.url.database))
    pipeline.enqueue([1])
    worker = pipeline.worker()
    wait_until(pipeline.drained, "the event to be delivered", 60)
    pipeline.redis.flushdb()
    pipeline.ledger.close()
    assert worker.terminate(60) == 0
    for words in (["status"], ["hold", "--reason", "for a copy"], ["audit"], ["limits"]):
        assert [found.name for found in file.parent.glob(f"{file.name}*")] == [file.name], words
        assert run(*words).returncode == 0
    assert [found.name for found in file.parent.glob(f"{file.name}*")] == [file.name]


def test_a_hold_needs_no_address_of_a_ledger(pipeline: Pipeline, run: Run) -> None:
    """Whoever holds the gate in a hurry is not kept by a DATABASE_URL that is none; the audit's lack of it is told."""
    done = run("hold", "--reason", "Gong is down", DATABASE_URL="mysql://host/ledger")
    assert done.returncode == 0, done.stderr
    assert "SQLite and PostgreSQL" in done.stdout + done.stderr
    assert status(pipeline.services).gate.state is GateState.HELD
    for words in (["status"], ["serve", "--port", "0"]):
        alerts = {"GONG_VIEWS_ALERT_URLS": "json://127.0.0.1:9"}
        refused = run(*words, DATABASE_URL="mysql://host/ledger", **alerts)
        assert (refused.returncode, "SQLite and PostgreSQL" in refused.stderr) == (2, True)


def test_the_check_has_one_code_for_each_trouble(pipeline: Pipeline, run: Run) -> None:
    """0 fine, 1 a threshold or a hold, 2 usage, 3 a part away, 4 no worker alive."""
    assert run("status", "--max-dead", "3").returncode == 2
    assert run("status", "--check").returncode == 4
    heartbeat(pipeline, "alive")
    fine = run("status", "--check", "--max-backlog-age", "60", "--max-dead", "0")
    assert (fine.returncode, fine.stdout) == (0, "FINE\n")
    old = datetime.now(UTC) - timedelta(minutes=2)
    pipeline.redis.lpush(Lane.BULK.queue, build(view(1), Lane.BULK, enqueued_at=old)[1])
    found = status(pipeline.services)
    assert check(found, max_backlog_age_seconds=60).code is CheckCode.ALERT
    assert check(found, max_backlog_age_seconds=600).code is CheckCode.FINE
    gate_use_cases.hold(pipeline.services, "maintenance", by="dana")
    held = run("status", "--check", "--json")
    assert (held.returncode, json.loads(held.stdout)["check"]["code"]) == (1, 1)
    away = run("status", "--check", DATABASE_URL=f"postgresql://u:hush@127.0.0.1:{free_port()}/x")
    assert away.returncode == 3
    assert "the ledger is unavailable" in away.stdout
    assert run("status", "--check", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0").returncode == 3


def test_a_redis_that_refuses_writes_is_found_by_writing(pipeline: Pipeline) -> None:
    """NOREPLICAS: the queue can be read, the gate looks open, and yet status says that no call is made."""
    pipeline.enqueue([1])
    heartbeat(pipeline, "alive")
    pipeline.redis.config_set("min-replicas-to-write", "1")
    try:
        found = status(pipeline.services)
    finally:
        pipeline.redis.config_set("min-replicas-to-write", "0")
    assert (found.gate.state, found.queue.live) == (GateState.UNAVAILABLE, 1)
    assert "replicas" in (found.gate.note or "")
    assert (found.drain.at, found.drain.why) == (None, "Redis refuses writes")
    assert check(found).code is CheckCode.AWAY


def test_a_full_redis_refuses_producers(pipeline: Pipeline) -> None:
    """Over maxmemory the workers' writes still pass, and status says that producers are refused, and why."""
    pipeline.enqueue([1])
    heartbeat(pipeline, "alive")
    status(pipeline.services)
    pipeline.redis.config_set("maxmemory", "1mb")
    try:
        found = status(pipeline.services)
    finally:
        pipeline.redis.config_set("maxmemory", "0")
    assert found.gate.state is GateState.OPEN
    assert "maxmemory" in (found.queue.error or "")
    assert check(found).code is CheckCode.AWAY


def test_a_queue_that_is_away_leaves_the_ledger_to_be_seen(pipeline: Pipeline, run: Run) -> None:
    """Without Redis the gate is unavailable, the ledger's numbers are told, and the exit code is 3."""
    done = run("status", "--json", REDIS_URL=f"redis://:hush@127.0.0.1:{free_port()}/0")
    found = json.loads(done.stdout)
    assert (done.returncode, found["gate"]["state"], found["ledger"]["delivered"]) == (3, "unavailable", 0)
    assert (found["queue"]["live"], found["drain"]["at"]) == (None, None)
    assert "refuses connections" in done.stderr
    assert "hush" not in done.stdout + done.stderr
    assert set(asdict(status(pipeline.services))) == set(found) == set(Status.__slots__)
