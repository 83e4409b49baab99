"""What an operator does, through the commands an operator types."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from gong_views.message import build
from gong_views.names import Lane
from gong_worker.queue import inspect
from tests.integration.cli.conftest import Run
from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until
from tests.support.views import view

Told = Callable[..., Any]


def test_hold_stops_every_call_and_release_goes_on(pipeline: Pipeline, told: Told) -> None:
    """While an operator holds, no call is made and the backlog stays in Redis; after release it flows."""
    held = told("hold", "--reason", "maintenance at Gong")
    assert (held["state"], held["reason"], held["changed"]) == ("held", "operator", "held")
    assert held["note"].startswith("maintenance at Gong")
    pipeline.worker()
    pipeline.enqueue(range(20))
    wait_until(lambda: "intake_paused" in pipeline.workers[0].log, "the worker to pause")
    wait_until(lambda: inspect.count(pipeline.redis).live == 20, "the backlog to be back in its lane")
    assert pipeline.gong.stats()["calls"] == 0
    status = told("status")
    assert (status["gate"]["state"], status["gate"]["reason"]) == ("held", "operator")
    assert status["drain"]["at"] is None
    released = told("release")
    assert (released["state"], released["changed"]) == ("open", "ended: operator")
    pipeline.drain()
    pipeline.verify()


def test_a_refused_event_becomes_a_letter_that_can_be_replayed(
    pipeline: Pipeline, run: Run, told: Told
) -> None:
    """A 400 is one call and one dead letter with Gong's words; replayed twice it is delivered once."""
    rule = pipeline.gong.fault(
        "reject", times=None, errors=["contentId is unknown"], match={"eventId": "view-1"}
    )
    pipeline.worker()
    pipeline.enqueue([1, 2])
    pipeline.drain()
    [letter] = told("dead-letters", "list")["dead_letters"]
    assert (letter["reason"], letter["http_status"], letter["event_id"]) == ("rejected", 400, "view-1")
    assert letter["errors"] == ["contentId is unknown"]
    assert letter["request_id"]
    assert "payload" not in letter
    shown = told("dead-letters", "show", str(letter["id"]))
    assert shown["payload"] == view(1)
    assert told("events", "show", "view-1")["status"] == "dead"
    assert sum(1 for call in pipeline.gong.log() if call["key"] == ["content-hub", "view-1"]) == 1

    pipeline.gong.clear_faults(rule)
    [first] = told("dead-letters", "replay", str(letter["id"]))["results"]
    assert first["result"] == "replayed"
    again = run("dead-letters", "replay", str(letter["id"]), "--json")
    assert again.returncode == 0
    pipeline.drain()
    event = told("events", "show", "view-1")
    assert (event["status"], event["resolution"]) == ("delivered", "accepted")
    assert [attempt["outcome"] for attempt in event["attempts"]] == ["rejected", "delivered"]
    assert told("dead-letters", "list") == {"total": 0, "next": None, "dead_letters": []}
    [resolved] = told("dead-letters", "list", "--all")["dead_letters"]
    assert resolved["resolution"] == "replayed"
    assert resolved["resolved_by"]
    assert resolved["resolved_at"]
    even = told("reconcile")
    assert even["drift"] == [] and "unsettled_events" not in even


def test_a_discarded_letter_keeps_no_payload(pipeline: Pipeline, told: Told) -> None:
    """Discarding marks the letter with who and when, and deletes what it held of persons."""
    pipeline.gong.fault("reject", times=None)
    pipeline.worker()
    pipeline.enqueue([1])
    pipeline.drain()
    [letter] = told("dead-letters", "list")["dead_letters"]
    told("dead-letters", "discard", str(letter["id"]))
    shown = told("dead-letters", "show", str(letter["id"]))
    assert (shown["resolution"], shown["payload"]) == ("discarded", None)
    assert told("status")["dead_letters"] == {"open": 0}
    assert told("reconcile")["discarded"] == 1


def test_what_nobody_can_read_becomes_a_letter_with_its_raw_body(pipeline: Pipeline, told: Told) -> None:
    """Garbage, an unknown version, a foreign task and an invalid event end as dead letters; the worker lives."""
    known = json.loads(build(view(1), Lane.LIVE, enqueued_at=datetime.now(UTC))[1])
    foreign = {**known, "headers": {**known["headers"], "task": "somebody.elses"}}
    invalid = build({"reportingSystem": "content-hub"}, Lane.LIVE, enqueued_at=datetime.now(UTC))[1]
    raws = [
        "not even JSON \x00\udcff".encode("utf-8", "surrogateescape"),
        b"[]",
        json.dumps(foreign),
        invalid,
    ]
    pipeline.redis.lpush(Lane.LIVE.queue, *raws)
    pipeline.worker()
    pipeline.enqueue([1])
    wait_until(lambda: pipeline.ledger.counts()["dead_letters_open"] == 4, "four dead letters")
    letters = told("dead-letters", "list")["dead_letters"]
    assert sorted(letter["reason"] for letter in letters) == ["invalid"] + ["unreadable"] * 3
    payloads = [told("dead-letters", "show", str(letter["id"]))["payload"] for letter in letters]
    assert any("not even JSON" in str(payload) for payload in payloads)
    wait_until(lambda: pipeline.ledger.counts()["delivered"] == 1, "the good event")
    assert pipeline.workers[0].running()


def test_a_stock_celery_producer_is_understood(pipeline: Pipeline, told: Told) -> None:
    """A message of plain Celery's `send_task` is delivered, and counted in when it goes out."""
    from celery import Celery

    stock = Celery("stock", set_as_current=False, broker=pipeline.valkey.url)
    stock.send_task("gong_views.deliver", kwargs={"event": view(7)}, queue="gong-views.live")
    stock.send_task("gong_views.deliver", args=[view(8)], queue="gong-views.bulk", countdown=1)
    pipeline.worker()
    wait_until(lambda: pipeline.ledger.counts()["delivered"] == 2, "both to be delivered")
    pipeline.drain()
    assert told("reconcile")["enqueued"] == 2


def test_plain_celery_starts_the_same_worker(pipeline: Pipeline) -> None:
    """`celery -A gong_worker.app worker` consumes through the durable transport as well."""
    from tests.support.processes import Process

    log = pipeline.folder / "celery.log"
    worker = Process(
        ["celery", "-A", "gong_worker.app", "worker", "--loglevel=INFO"], log, pipeline.environment
    )
    pipeline.workers.append(worker)
    pipeline.enqueue(range(5))
    pipeline.drain()
    pipeline.verify()
    assert "DurableTransport" in worker.log


def test_logs_and_errors_hold_nothing_personal(pipeline: Pipeline, told: Told, run: Run) -> None:
    """No address, name or secret of an event or a setting is in any log line or error text."""
    pipeline.gong.fault("reject", match={"eventId": "view-2"})
    pipeline.worker()
    pipeline.enqueue(range(4))
    pipeline.redis.lpush(Lane.LIVE.queue, '{"email": "dana@globex.example"')
    wait_until(lambda: pipeline.ledger.counts()["dead_letters_open"] == 2, "the letters")
    output = pipeline.workers[0].log + run("status").stdout + run("check", "--json").stdout
    output += run("dead-letters", "list").stdout + run("events", "show", "view-1").stdout
    for secret in ("globex", "dana", "sim-secret", "Pricing overview"):
        assert secret not in output


def test_wrong_counters_are_told_and_put_right(pipeline: Pipeline, run: Run, told: Told) -> None:
    """`reconcile --deep` names a counter changed by hand and exits 1; --repair mends it, and is in the audit."""
    with pipeline.ledger.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO dead_letter_counts (day, reason, shard, open, replayed, discarded, superseded)"
                " VALUES ('2026-03-01', 'rejected', 0, 1, 0, 0, 0)"
            )
        )
    assert told("status")["dead_letters"] == {"open": 1}
    done = run("reconcile", "--deep")
    assert done.returncode == 1
    assert "dead_letter_counts" in done.stdout and "2026-03-01 rejected" in done.stdout
    assert "reconcile --deep --repair" in done.stdout
    assert told("reconcile", "--deep", "--repair")["counters"]["repaired"]
    assert told("reconcile", "--deep")["counters"] == {"miscounts": [], "repaired": False}
    assert told("status")["dead_letters"] == {"open": 0}
    assert [entry["action"] for entry in told("audit")["entries"]] == ["repair"]
    assert run("reconcile", "--repair").returncode == 2
