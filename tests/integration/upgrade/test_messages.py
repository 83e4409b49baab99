"""What producers of 0.1 have written reaches Gong through today's release; recorded, so it needs no history."""

import json
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from gong_views import ViewQueue
from gong_views.message import COUNTED_HEADER, parse
from gong_views.names import ENQUEUE_COUNTS_KEY, Lane
from gong_views.outbox.relay import Relay
from gong_worker.ledger import migrate
from gong_worker.operations.reconcile import reconcile
from tests.integration.upgrade.record import RECORDED
from tests.integration.upgrade.support import Start

NUMBERED = [0, 1, 3, 10, 11, 12, 13, 20, 21, 30, 31, 40, 41]


def outbox_of_before(path: Path) -> sa.Engine:
    """The backend's database as it was."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript((RECORDED / "outbox.sql").read_text())
    return sa.create_engine(f"sqlite:///{path}")


def test_everything_written_by_the_release_before_is_delivered(
    database_url: str, line: Start, tmp_path: Path
) -> None:
    """Messages (plain Celery's too), spool and outbox: each event is accepted once, with what was noted of it."""
    migrate(database_url)
    line = line(database_url)
    before = json.loads((RECORDED / "queue.json").read_text())
    for lane, raws in before["messages"].items():
        line.redis.lpush(lane, *raws)
    line.redis.hset(ENQUEUE_COUNTS_KEY, mapping=before["counts"])
    spool = tmp_path / "spool.jsonl"
    shutil.copy(RECORDED / "spool.jsonl", spool)
    with ViewQueue(line.valkey.url, on_unavailable="spool", spool_path=spool) as queue:
        assert queue.drain_spool() == 2
        engine = outbox_of_before(tmp_path / "shop.db")
        Relay(engine, queue).drain(threading.Event())
        engine.dispose()
    assert not spool.exists()

    line.worker()
    line.drain()
    derived = parse(before["messages"][Lane.LIVE.queue][2]).event["eventId"]
    log = line.gong.log()
    accepted = sorted(entry["key"][1] for entry in log if entry["accepted"])
    assert accepted == sorted([derived, *(f"old-{number}" for number in NUMBERED)])
    events = {event.event_id: event for event in line.ledger.every_event()}
    for raw in (raw for raws in before["messages"].values() for raw in raws):
        envelope = parse(raw)
        event = events[envelope.event["eventId"]]
        assert (event.message_id, event.source) == (envelope.message_id, envelope.source)
        if COUNTED_HEADER in json.loads(raw)["headers"]:
            assert event.enqueued_at == envelope.enqueued_at
    assert events["old-10"].lane == events["old-31"].lane == events["old-41"].lane == Lane.BULK
    assert events["old-30"].source == "shop"
    found = reconcile(line.services)
    assert (found.enqueued, found.drift) == (len(accepted), [])
