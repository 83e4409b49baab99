"""From the previous release and back, with data in the ledger and work on the queue."""

import base64
import json
import zlib
from datetime import UTC, datetime

import pytest

from gong_views.message import build, counted_in
from gong_views.names import ENQUEUE_COUNTS_KEY, Lane
from gong_worker.domain.parts import Part, PartKind
from gong_worker.domain.states import DeadLetterReason
from gong_worker.ledger import DeadLetterFilter, LedgerError, SchemaOutdated, migrate
from gong_worker.operations.going_back import CannotGoBack, go_back, plan
from gong_worker.operations.status import status
from gong_worker.queue.part_holds import hold_part, release_part, return_released
from tests.integration.pipeline.support import stock_item
from tests.integration.upgrade.support import Line, Start
from tests.support.previous import SCHEMA, PreviousRelease
from tests.support.servers import wait_until
from tests.support.views import view


@pytest.fixture
def old_line(database_url: str, previous: PreviousRelease, line: Start) -> Line:
    """A ledger that the previous release has made."""
    made = line(database_url)
    previous.run("-m", "gong_worker", "migrate", environment=made.environment)
    return made


def test_rolling_upgrade(old_line: Line, previous: PreviousRelease) -> None:
    """Workers of before go on over a migration, new ones join, the old ones leave: all is accepted once."""
    line = old_line
    dead = [0, 1, *range(42, 140, 3)]  # letters are written while the schema is changed
    line.refuse(*dead)
    line.gong.fault("status", status=503, times=None, match={"eventId": "view-2"})
    first, second = line.previous_worker(previous, ready=False), line.previous_worker(previous, ready=False)
    line.wait_ready(first, second)
    line.previous_enqueue(previous, range(30))
    line.previous_enqueue(previous, range(20, 40), lane="bulk", times=2)
    line.wait_accepted(range(3, 40))

    producer = previous.producing(line.valkey.url, range(40, 140), 0.02)
    try:
        with line.producing(range(200, 280)):
            wait_until(lambda: "view-46" in line.accepted(), "the old workers to be in the middle of it", 60)
            migrate(line.database_url)
        enqueued, _ = producer.communicate(timeout=60)
    finally:
        producer.kill()
    assert producer.returncode == 0
    line.enqueued.update(enqueued.split())
    line.enqueue(range(280, 300))
    line.wait_accepted(range(200, 300))  # the old workers go on

    new = line.worker()
    line.previous_enqueue(previous, range(300, 340))
    line.enqueue(range(340, 380))
    second.kill()
    assert first.terminate() == 0
    line.gong.clear_faults()
    line.previous_enqueue(previous, range(380, 390), lane="bulk")
    line.enqueue(range(390, 400))
    line.drain()
    line.verify(dead=[f"view-{number}" for number in dead])
    assert "deadlock" not in first.log + second.log
    # What the old ones left is at hand: their letters are replayed.
    line.command("dead-letters", "replay", "--all", "--yes")
    line.wait_accepted(range(3))
    line.drain()
    line.command("reconcile", "--deep")
    assert new.terminate() == 0


def put_others(line: Line) -> str:
    """Messages of plain Celery, one that a worker of today has counted in, and one of a version that nobody knows."""
    counted = counted_in(stock_item(view(80), "stock-80").encode(), datetime.now(UTC))
    line.redis.lpush(Lane.LIVE.queue, counted, stock_item(view(81), "stock-81"))
    _, newer = build(view(82), Lane.LIVE, enqueued_at=datetime.now(UTC))
    item = json.loads(newer)
    body = zlib.decompress(base64.b64decode(item["body"])).replace(b'"version":2', b'"version":3')
    item["body"] = base64.b64encode(zlib.compress(body)).decode()
    newer = json.dumps(item)
    line.redis.lpush(Lane.LIVE.queue, newer)
    # All but the stock one are in the counts. None of them is one of the line's own: two events and a letter more.
    line.redis.hincrby(ENQUEUE_COUNTS_KEY, f"live|{datetime.now(UTC):%Y-%m-%d}", 2)
    line.enqueued.update(["view-80", "view-81"])
    line.unsure["view-82"] = 1
    return newer


def test_going_back(database_url: str, previous: PreviousRelease, line: Start) -> None:
    """`migrate --to` keeps what is in the ledger; the release before drains the queue on it, and can be left again."""
    migrate(database_url)
    line = line(database_url)
    settings, part = line.services.settings, Part(PartKind.CONTENT_ID, "deck-3")
    line.refuse(0, 1)
    hold_part(line.redis, part, "wrong page", "tests", for_seconds=None)
    worker = line.worker()
    line.enqueue(range(30))
    line.enqueue(range(10, 20))
    line.wait_accepted(range(4, 30))
    with pytest.raises(CannotGoBack, match="1 workers of this release are at work"):
        plan(settings, SCHEMA)
    with pytest.raises(CannotGoBack, match="1 workers"):  # it came while the operator was asked
        go_back(settings, SCHEMA)
    assert worker.terminate() == 0
    line.let_go()
    with pytest.raises(CannotGoBack, match="1 events of held parts are set aside"):
        plan(settings, SCHEMA)
    release_part(line.redis, part)
    return_released(line.redis)
    line.let_go()
    line.enqueue(range(30, 50))
    line.enqueue(range(50, 60), lane="bulk")
    newer = put_others(line)

    asked = line.command("migrate", "--to", SCHEMA, code=2)
    assert "the record of operators' actions" in asked and "add --yes" in asked
    line.command("migrate", "--to", SCHEMA, "--yes")
    with pytest.raises(SchemaOutdated, match=f"has schema {SCHEMA}, so there is no way back"):
        plan(settings, SCHEMA)
    with pytest.raises(LedgerError, match="no schema 'base'"):
        plan(settings, "base")
    assert f"has schema {SCHEMA}" in str(status(line.services).ledger.error)
    old = line.previous_worker(previous)
    line.previous_enqueue(previous, range(60, 70))
    line.wait_accepted(range(2, 70))
    line.wait_accepted(range(80, 82))
    wait_until(lambda: line.left() == 0, "the message of a version to come to be set down", 60)
    assert old.terminate() == 0

    migrate(database_url)
    line.verify(dead=["view-0", "view-1"])
    [letter] = line.ledger.read_dead_letters(DeadLetterFilter(reason=DeadLetterReason.UNREADABLE), limit=9)
    assert letter.payload == newer, "what cannot be read is kept as it was"
    line.command("reconcile", "--deep")
