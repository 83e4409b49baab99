"""The relay: every committed row reaches the queue, and nothing stops it for long."""

import json
import logging
import os
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from gong_views import QueueUnavailable, ViewQueue, outbox
from gong_views.names import Lane
from gong_views.outbox.relay import Relay
from gong_views.outbox.relay_lock import SUFFIX, RelayLock
from gong_views.receipt import BatchResult
from tests.integration.outbox.support import (
    FlakyQueue,
    actions,
    add_many,
    backend_engine,
    ids,
    messages,
    queued,
    running,
    table_rows,
    unrelayed,
)
from tests.support.servers import wait_until
from tests.support.views import view

Stop = threading.Event
ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_rows_reach_the_queue_in_order_and_are_marked(
    engine: sa.Engine, queue: ViewQueue, redis_url: str, stop: Stop
) -> None:
    """Oldest first, each on its lane, once; the row names the message that it became."""
    add_many(engine, range(25))
    with engine.begin() as connection:
        outbox.add(connection, view(99), lane="bulk")
    relay = Relay(engine, queue, batch=10)
    relay.drain(stop)
    assert queued(redis_url) == ids(range(25))
    assert queued(redis_url, Lane.BULK) == ["view-99"]
    rows = table_rows(engine)
    assert [row.message_id for row in rows[:25]] == [found.message_id for found in messages(redis_url)]
    assert all(row.relayed_at is not None for row in rows)
    relay.drain(stop)
    assert relay.totals.relayed == 26
    assert len(queued(redis_url)) == 25


def test_an_uncommitted_event_is_not_relayed(
    engine: sa.Engine, queue: ViewQueue, redis_url: str, stop: Stop
) -> None:
    """A row that commits after later ones is not passed over; one that is rolled back is never sent."""
    if engine.dialect.name == "sqlite":  # one writer at a time: nothing can overtake
        with engine.connect() as open_one:
            outbox.add(open_one, view(1))
            Relay(engine, queue).drain(stop)
            open_one.rollback()
        Relay(engine, queue).drain(stop)
        assert queued(redis_url) == []
        return
    with engine.connect() as late, engine.connect() as never:
        outbox.add(late, view(1))
        outbox.add(never, view(2))
        add_many(engine, [3])
        Relay(engine, queue).drain(stop)
        assert queued(redis_url) == ["view-3"]
        late.commit()
        never.rollback()
    Relay(engine, queue).drain(stop)
    assert queued(redis_url) == ["view-3", "view-1"]


GARBAGE: list[Any] = [
    "",
    "no json",
    "[]",
    "{}",
    "null",
    "[" * 100_000,
    '{"eventId": "\\ud800"}',
    '{"reportingSystem": NaN}',
    '{"viewer": {"email": "dana@globex.example"}}',
]


def test_a_row_that_is_no_event_does_not_block_the_others(
    engine: sa.Engine, queue: ViewQueue, redis_url: str, stop: Stop, caplog: pytest.LogCaptureFixture
) -> None:
    """It is marked with why and passed over for good; mended by hand, it goes out."""
    insert = sa.text(
        "INSERT INTO gong_views_outbox (reporting_system, event_id, lane, payload) "
        "VALUES ('x', 'y', :lane, :payload)"
    )
    garbage = GARBAGE + ([b"\xff\xfe", 17] if engine.dialect.name == "sqlite" else [])
    with engine.begin() as connection:
        connection.execute(insert, [{"lane": "live", "payload": payload} for payload in garbage])
        connection.execute(insert, {"lane": "urgent", "payload": "{}"})
        outbox.add(
            connection,
            view(1, contentTitle="\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")),
        )
    relay = Relay(engine, queue, batch=3)
    with caplog.at_level(logging.DEBUG):
        relay.drain(stop)
        relay.drain(stop)
    assert queued(redis_url) == ["view-1"]
    assert (relay.totals.invalid, relay.totals.relayed) == (len(garbage) + 1, 1)
    bad = [row for row in table_rows(engine) if row.error]
    assert len(bad) == len(garbage) + 1
    assert 'neither "live" nor "bulk"' in bad[-1].error
    assert "dana" not in caplog.text + "".join(row.error for row in bad)
    assert sum(getattr(record, "action", "") == "outbox.invalid" for record in caplog.records) == len(bad)
    with engine.begin() as connection:
        mended = outbox.table.update().where(outbox.table.c.id == bad[0].id)
        connection.execute(mended.values(error=None, payload=table_rows(engine)[-1].payload))
    relay.drain(stop)
    assert queued(redis_url) == ["view-1", "view-1"]


def test_a_hand_written_row_needs_three_columns(
    engine: sa.Engine, queue: ViewQueue, redis_url: str, stop: Stop
) -> None:
    """A trigger or another language inserts key and payload; lane, time and id come from the database."""
    add_many(engine, [1])
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO gong_views_outbox (reporting_system, event_id, payload) "
                "SELECT reporting_system, event_id, payload FROM gong_views_outbox"
            )
        )
    started = datetime.now(UTC)
    relay = Relay(engine, queue)
    relay.drain(stop)
    assert queued(redis_url) == ["view-1", "view-1"]
    assert relay.repeat(started, stop) == 2


def test_since_enqueues_again_what_was_created_since(
    engine: sa.Engine, queue: ViewQueue, redis_url: str, stop: Stop
) -> None:
    """After a wipe every row since then goes out again, relayed or not, on its lane; older ones do not."""
    add_many(engine, range(30))
    with engine.begin() as connection:
        outbox.add(connection, view(99), lane="bulk")
        old = outbox.table.update().where(outbox.table.c.event_id.in_(ids(range(10))))
        connection.execute(old.values(created_at=datetime.now(UTC) - timedelta(hours=2)))
    relay = Relay(engine, queue, batch=7)
    relay.drain(stop)
    add_many(engine, [50])
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    assert relay.repeat(datetime.now(UTC) - timedelta(hours=1), stop) == 22
    assert queued(redis_url) == ids([*range(10, 30), 50])
    assert queued(redis_url, Lane.BULK) == ["view-99"]
    assert unrelayed(engine) == 1  # nothing was marked: the running relays still take it
    with pytest.raises(ValueError, match="offset"):
        relay.repeat(datetime(2026, 7, 1), stop)  # noqa: DTZ001


def test_relayed_rows_are_deleted_after_their_days(engine: sa.Engine, queue: ViewQueue, stop: Stop) -> None:
    """Old relayed rows go; waiting ones, invalid ones and younger ones stay."""
    add_many(engine, range(6))
    table = outbox.table
    long_ago = datetime.now(UTC) - timedelta(days=8)
    relay = Relay(engine, queue, batch=2)
    with engine.begin() as connection:
        connection.execute(table.update().where(table.c.id <= 4).values(created_at=long_ago))
        connection.execute(table.update().where(table.c.id.in_([1, 2])).values(relayed_at=long_ago))
        connection.execute(table.update().where(table.c.id == 3).values(error="no event"))
    relay.drain(stop)
    assert [row.id for row in table_rows(engine)] == [3, 4, 5, 6]
    assert relay.totals.pruned == 2
    kept = Relay(engine, queue, keep_days=None)
    assert kept.prune(stop) == 0
    assert Relay(engine, queue, keep_days=0).prune(stop) == 3
    assert [row.id for row in table_rows(engine)] == [3]


def test_a_queue_that_is_away_is_waited_out_and_told_once(
    engine: sa.Engine, redis_url: str, stop: Stop, caplog: pytest.LogCaptureFixture
) -> None:
    """The rows stay; when Redis answers again they go, by themselves."""
    add_many(engine, range(3))
    queue = FlakyQueue(redis_url)
    with caplog.at_level(logging.INFO), running(Relay(engine, queue, poll_seconds=0.02), stop):
        wait_until(lambda: queue.refused >= 3, "three tries")
        assert unrelayed(engine) == 3
        queue.up = True
        wait_until(lambda: unrelayed(engine) == 0, "the rows to be relayed")
        wait_until(lambda: "outbox.resumed" in actions(caplog), "the end of the outage to be told")
    assert actions(caplog).count("outbox.queue_unavailable") == 1
    assert queued(redis_url) == ids(range(3))


def test_a_lane_that_went_out_is_marked_though_the_next_failed(
    engine: sa.Engine, redis_url: str, stop: Stop
) -> None:
    """Redis lost between the two lanes of a batch: what is on the queue is not sent again."""
    add_many(engine, [1])
    with engine.begin() as connection:
        outbox.add(connection, view(2), lane="bulk")
    queue = FlakyQueue(redis_url, failing=Lane.BULK)
    relay = Relay(engine, queue)
    with pytest.raises(QueueUnavailable):
        relay.drain(stop)
    assert (relay.totals.relayed, unrelayed(engine)) == (1, 1)
    queue.up = True
    relay.drain(stop)
    assert queued(redis_url) == ["view-1"]
    assert queued(redis_url, Lane.BULK) == ["view-2"]


def test_rows_that_could_not_be_marked_are_not_sent_again(
    engine: sa.Engine, queue: ViewQueue, redis_url: str, stop: Stop
) -> None:
    """A database that fails after the enqueue costs no repeats from this relay: it marks first next time."""
    add_many(engine, range(5))
    broken = {"is": True}

    def fail(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if broken["is"] and statement.startswith("UPDATE"):
            raise sa.exc.OperationalError("UPDATE", {}, Exception("disk full"))

    sa.event.listen(engine, "before_cursor_execute", fail)
    relay = Relay(engine, queue)
    for _ in range(3):
        with pytest.raises(outbox.OutboxUnavailable, match="disk full"):
            relay.drain(stop)
    broken["is"] = False
    relay.drain(stop)
    assert unrelayed(engine) == 0
    assert queued(redis_url) == ids(range(5))


def test_a_database_without_the_table_is_told(database_url: str, queue: ViewQueue, stop: Stop) -> None:
    """A backend that has not migrated gets told what to call, instead of a relay that waits for ever."""
    engine = backend_engine(database_url)
    with pytest.raises(outbox.OutboxMissing, match=r"schema\.upgrade"):
        Relay(engine, queue).run(stop)
    engine.dispose()


def test_two_relays_do_not_send_a_row_twice(engine: sa.Engine, redis_url: str, stop: Stop) -> None:
    """Without crashes four relays beside busy writers send each row exactly once."""
    queues = [ViewQueue(redis_url) for _ in range(4)]
    relays = [Relay(engine, queue, batch=5, poll_seconds=0.01) for queue in queues]
    threads = [threading.Thread(target=relay.run, args=(stop,)) for relay in relays]
    for thread in threads:
        thread.start()
    try:
        for start in range(0, 400, 20):
            add_many(engine, range(start, start + 20))
        wait_until(lambda: unrelayed(engine) == 0, "all rows to be relayed")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for queue in queues:
            queue.close()
    assert sorted(queued(redis_url)) == sorted(ids(range(400)))
    assert sum(relay.totals.relayed for relay in relays) == 400


@ONLY_SQLITE
def test_a_relay_that_keeps_the_lock_is_told_once(
    engine: sa.Engine, queue: ViewQueue, stop: Stop, caplog: pytest.LogCaptureFixture
) -> None:
    """While another relay holds SQLite's lock for long, the one that stands by says so once, with its pid."""
    add_many(engine, [1])
    lock, standing = RelayLock(engine), Relay(engine, queue, poll_seconds=0.01)
    with lock.taken() as ours, running(standing, stop):
        assert ours
        path = Path(f"{engine.url.database}{SUFFIX}")
        held = json.loads(path.read_text())
        assert held["pid"] == os.getpid()
        path.write_text(json.dumps({"pid": 4711, "since": held["since"] - 45}))
        wait_until(lambda: "outbox.standby" in actions(caplog), "the holder to be told")
    stop.clear()
    standing.drain(stop)
    assert unrelayed(engine) == 0
    [told] = [record for record in caplog.records if getattr(record, "action", "") == "outbox.standby"]
    assert "pid 4711, has kept the lock for 45 s" in told.getMessage()


def test_the_backend_can_write_while_redis_hangs(engine: sa.Engine, redis_url: str, stop: Stop) -> None:
    """A relay that waits for Redis holds no lock that a writer of the backend needs, on SQLite either."""
    add_many(engine, [1])
    written = threading.Event()

    class SlowQueue(ViewQueue):
        def enqueue_many(self, events: Iterable[Any], *args: Any, **options: Any) -> BatchResult:
            assert written.wait(20), "the backend could not write"
            return super().enqueue_many(events, *args, **options)

    def write() -> None:
        add_many(engine, [2])
        written.set()

    with SlowQueue(redis_url) as queue:
        writer = threading.Thread(target=write)
        relay = Relay(engine, queue, batch=1)
        writer.start()
        relay.drain(stop)
        writer.join()
    assert queued(redis_url) == ids([1, 2])
