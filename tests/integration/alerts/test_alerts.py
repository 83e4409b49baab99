"""Real processes that tell of troubles to a real HTTP server."""

import json
from collections.abc import Iterator

import pytest

from gong_views.names import ALERTS_KEY
from gong_worker import notify
from gong_worker.alerts_settings import AlertSettings
from gong_worker.operations.alerts import AlertWatch, standing_alerts
from tests.integration.cli.letters import bury
from tests.support.inbox import Inbox, inbox
from tests.support.pipeline import Pipeline
from tests.support.processes import Process
from tests.support.servers import wait_until
from tests.support.views import view


@pytest.fixture
def box() -> Iterator[Inbox]:
    """Where alerts go."""
    with inbox() as made:
        yield made


def watch_of(pipeline: Pipeline, *boxes: Inbox, **settings: float) -> AlertWatch:
    """One process's part, without the process: it looks whenever it is told to."""
    urls = " ".join(box.address for box in boxes)
    given = {"urls": urls, "interval_seconds": 0.1, "held_minutes": 0, **settings}
    return AlertWatch(pipeline.services, AlertSettings(**given), notify.send)  # type: ignore[arg-type]


def look(pipeline: Pipeline, watch: AlertWatch) -> None:
    """One look, whoever's turn it is."""
    pipeline.redis.delete(f"{ALERTS_KEY}.turn.look", f"{ALERTS_KEY}.turn.drift")
    watch.run()


def grow_old(pipeline: Pipeline, seconds: float) -> None:
    """Let what stands have stood so much longer."""
    for field, raw in pipeline.redis.hgetall(ALERTS_KEY).items():  # type: ignore[union-attr]
        entry = json.loads(raw)
        entry["since"], entry["telling"] = entry["since"] - seconds, entry["telling"] - seconds
        pipeline.redis.hset(ALERTS_KEY, field, json.dumps(entry))


def test_workers_tell_a_hold_once_and_its_end_once(pipeline: Pipeline, box: Inbox) -> None:
    """Two workers and the intake look; a hold is told by one of them, its end by one that is still alive."""
    alerting = {
        "GONG_VIEWS_ALERT_URLS": box.address,
        "GONG_VIEWS_ALERT_HELD_MINUTES": "0",
        "GONG_VIEWS_ALERT_INTERVAL_SECONDS": "0.3",
    }
    first = pipeline.worker(environment=alerting, ready=False)
    serve = Process(
        ["gong_worker", "serve", "--port", "0"],
        pipeline.folder / "serve.log",
        {**pipeline.environment, **alerting},
    )
    pipeline.workers.append(serve)
    pipeline.wait_ready(first)
    pipeline.services.gate.hold("a look", "ann")
    wait_until(lambda: box.titles == ["gong-views: held"], "the hold to be told", 60)
    assert "operator" in box.bodies[0] and "ann" not in box.bodies[0]
    # Noted as told: who dies before that leaves the telling to another one, a minute and a half later.
    wait_until(lambda: all(alert.told for alert in standing_alerts(pipeline.redis)), "it to be noted")
    first.kill()
    pipeline.services.gate.release("ann")
    over = "gong-views: held is over"
    wait_until(lambda: over in box.titles, "its end to be told", 60)
    # On a slow machine half a minute without a worker may be over, which is told as well.
    assert [title for title in box.titles if "held" in title] == ["gong-views: held", over]
    assert box.address not in first.log + serve.log


def test_each_trouble_begins_and_ends(pipeline: Pipeline, box: Inbox) -> None:
    """No worker for half a minute, an hour's dead letters, a group of them, a refused credential, missing messages."""
    watch = watch_of(pipeline, box, dead_per_hour=2, dead_in_group=2)
    look(pipeline, watch)
    assert box.titles == []  # a worker that is restarted is away for some seconds
    grow_old(pipeline, 40)
    look(pipeline, watch)
    assert box.titles == ["gong-views: no worker"]
    bury(pipeline.ledger, (view(number) for number in range(3)), lambda number: f"id {number} is unknown")
    pipeline.redis.hset("gong-views.intake", "live|2026-01-01", 7)
    look(pipeline, watch)
    assert sorted(box.titles[1:]) == [
        "gong-views: dead group",
        "gong-views: dead per hour",
        "gong-views: drift",
    ]
    look(pipeline, watch)
    assert len(box.titles) == 4


def test_a_failure_to_tell_is_made_good(pipeline: Pipeline, box: Inbox) -> None:
    """An address that fails is tried again until it gets it; the other one is told once all the same."""
    with inbox() as other:
        other.failing = True
        watch = watch_of(pipeline, box, other)
        pipeline.services.gate.hold("a look", "ann")
        look(pipeline, watch)
        grow_old(pipeline, 31)
        look(pipeline, watch)
        assert box.titles.count("gong-views: held") == 1 and other.titles == []
        other.failing = False
        grow_old(pipeline, 31)
        look(pipeline, watch)
        look(pipeline, watch)
        assert box.titles.count("gong-views: held") == other.titles.count("gong-views: held") == 1
