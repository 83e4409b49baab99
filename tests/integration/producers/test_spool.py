"""`on_unavailable="spool"`: what Redis does not take is on this machine's disk, and gets to Redis later."""

import fcntl
import json
import multiprocessing
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from gong_views.commands import Item
from gong_views.errors import QueueUnavailable
from gong_views.message import parse
from gong_views.names import ENQUEUE_COUNTS_KEY, Lane
from gong_views.queue import ViewQueue
from gong_views.spool import Spool
from tests.integration.producers.ways import WAYS, Way
from tests.support.servers import free_port
from tests.support.views import view

Make = Callable[..., Way]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "spool.jsonl"


@pytest.fixture(params=WAYS, ids=["sync", "async"])
def make(request: pytest.FixtureRequest, path: Path) -> Iterator[Make]:
    """Makes queues that spool to `path`."""
    made: list[Way] = []

    def maker(url: str, **options: object) -> Way:
        made.append(request.param(url, **{"on_unavailable": "spool", "spool_path": path, **options}))
        return made[-1]

    yield maker
    for way in made:
        way.close()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def nowhere() -> str:
    """A URL where no Redis is."""
    return f"redis://127.0.0.1:{free_port()}/0"


def queued(client: redis.Redis, lane: str = "live") -> list[str]:
    """The event ids on a lane, in the order in which a worker takes them."""
    return [parse(raw).event["eventId"] for raw in reversed(client.lrange(f"gong-views.{lane}", 0, -1))]  # type: ignore[arg-type]


def test_an_event_is_on_disk_when_redis_is_away(make: Make, path: Path) -> None:
    """The receipt says spooled; the file has one JSON line an event, for the owner's eyes only."""
    way = make(nowhere())
    receipts = [way.enqueue(view(1)), way.enqueue(view(2), "bulk")]
    assert [(receipt.event_id, receipt.spooled) for receipt in receipts] == [
        ("view-1", True),
        ("view-2", True),
    ]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["lane"], line["event"]) for line in lines] == [("live", view(1)), ("bulk", view(2))]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_next_enqueue_that_succeeds_drains_the_spool(
    make: Make, path: Path, client: redis.Redis, redis_url: str
) -> None:
    """Spooled events get to the lane they were meant for, counted, and no file is left."""
    away = make(nowhere(), source="shop")
    for number in range(30):
        away.enqueue(view(number), "bulk" if number % 3 else "live")
    receipt = make(redis_url).enqueue(view(99))
    assert not receipt.spooled
    assert queued(client) == ["view-99", *(f"view-{n}" for n in range(0, 30, 3))]
    assert queued(client, "bulk") == [f"view-{n}" for n in range(30) if n % 3]
    counts: Any = client.hgetall(ENQUEUE_COUNTS_KEY)
    assert sum(map(int, counts.values())) == 31
    envelope = parse(client.lrange("gong-views.bulk", 0, 0)[0])  # type: ignore[index,arg-type]
    assert envelope.source == "shop" and envelope.counted
    assert not [name for name in os.listdir(path.parent) if not name.endswith("lock")]


def test_a_long_spool_does_not_slow_an_enqueue_down(make: Make, client: redis.Redis, redis_url: str) -> None:
    """Each enqueue takes a bounded number off the spool; `drain_spool` takes all."""
    make(nowhere()).enqueue_many(view(number) for number in range(1250))
    way = make(redis_url)
    way.enqueue(view(9001))
    assert client.llen("gong-views.live") == 101
    way.enqueue(view(9002))
    assert client.llen("gong-views.live") == 202
    assert way.drain_spool() == 1050
    assert way.drain_spool() == 0
    assert sorted(queued(client)) == sorted(["view-9001", "view-9002", *(f"view-{n}" for n in range(1250))])


def test_a_batch_that_meets_an_outage_is_spooled_whole(make: Make, path: Path) -> None:
    """All valid events are spooled, the invalid ones reported, and only one timeout is spent."""
    result = make(nowhere()).enqueue_many([view(1), {}, view(3), view(4)], "bulk", batch_size=1)
    assert [(index, receipt.spooled) for index, receipt in result.accepted] == [
        (0, True),
        (2, True),
        (3, True),
    ]
    assert [index for index, _ in result.rejected] == [1]
    assert len(path.read_text().splitlines()) == 3


def test_a_drain_that_meets_an_outage_loses_nothing(
    make: Make, path: Path, client: redis.Redis, redis_url: str
) -> None:
    """What was not pushed stays, set aside or not, and goes in next time."""
    away = make(nowhere())
    away.enqueue(view(1))
    with pytest.raises(QueueUnavailable):
        away.drain_spool()
    away.enqueue(view(2))
    assert make(redis_url).drain_spool() == 2
    assert queued(client) == ["view-1", "view-2"]


def test_a_spool_that_cannot_be_written_says_so(make: Make, path: Path) -> None:
    """With neither Redis nor disk the caller gets the error of both."""
    path.parent.write_text("a file where the folder should be")
    with pytest.raises(QueueUnavailable, match=r"refuses connections.*nor could the spool"):
        make(nowhere()).enqueue(view(1))


def test_without_the_option_nothing_is_written(path: Path, client: redis.Redis, redis_url: str) -> None:
    """`raise` is the default: no file, no event in two places. An explicit drain works all the same."""
    with ViewQueue(nowhere(), spool_path=path) as queue, pytest.raises(QueueUnavailable):
        queue.enqueue(view(1))
    assert not path.exists()
    Spool(path).append(Lane.LIVE, [item(7)])
    with ViewQueue(redis_url, spool_path=path) as queue:
        queue.enqueue(view(1))
        assert queued(client) == ["view-1"] and queue.drain_spool() == 1


def item(number: int) -> Item:
    return Item(f"view-{number}", view(number))


def test_a_torn_line_is_kept_aside_and_spoils_no_other(
    path: Path, client: redis.Redis, redis_url: str
) -> None:
    """What a power cut left half-written does not swallow the next event, nor block the drain."""
    spool = Spool(path)
    spool.append(Lane.LIVE, [item(1)])
    with path.open("ab") as file:
        file.write(b'{"lane":"live","eventId":"view-2","eve')
    spool.append(Lane.LIVE, [item(3)])
    with path.open("ab") as file:
        file.write(b'{"lane":"slow","eventId":"x","event":{}}\n\xff\n[]\n{"lane":"live"')
    with ViewQueue(redis_url, spool_path=path) as queue:
        assert queue.drain_spool() == 2
    assert queued(client) == ["view-1", "view-3"]
    bad = path.with_name(path.name + ".bad")
    assert len(bad.read_bytes().splitlines()) == 5 and b"view-2" in bad.read_bytes()
    assert stat.S_IMODE(bad.stat().st_mode) == 0o600


def test_a_write_that_fails_half_way_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves the lines before as they were."""
    spool = Spool(path)
    spool.append(Lane.LIVE, [item(1)])
    before = path.read_bytes()
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", fail)
        return real(descriptor, data[:10])

    def fail(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="space"):
        spool.append(Lane.LIVE, [item(2)])
    assert path.read_bytes() == before


def test_a_crash_between_push_and_note_repeats_and_loses_nothing(path: Path) -> None:
    """A drain that dies at any point leaves its piece to the next; a piece done is never read again."""
    spool = Spool(path)
    spool.append(Lane.LIVE, [item(number) for number in range(5)])

    def taken(limit: int, *, dies: bool = False) -> list[str]:
        ids: list[str] = []
        try:
            with spool.taking(limit) as piece:
                if piece is not None:
                    ids = [one.event_id for items in piece.lanes.values() for one in items]
                if dies:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        return ids

    assert taken(2, dies=True) == ["view-0", "view-1"]
    assert taken(2) == ["view-0", "view-1"]
    spool.append(Lane.LIVE, [item(9)])
    assert taken(2, dies=True) == ["view-2", "view-3"]
    assert taken(9) == ["view-2", "view-3", "view-4"]
    assert taken(9) == ["view-9"]
    assert taken(9) == [] and not spool.has_events()


def test_only_one_drains_at_a_time(path: Path) -> None:
    """While another process drains, a drain takes nothing and does not wait."""
    spool = Spool(path)
    spool.append(Lane.LIVE, [item(1)])
    with path.with_name(path.name + ".drain.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with spool.taking(5) as piece:
            assert piece is None


def _fill(path: Path, start: int) -> None:
    for number in range(start, start + 50):
        Spool(path).append(Lane.LIVE, [item(number)])


def test_processes_share_a_spool(path: Path, client: redis.Redis, redis_url: str) -> None:
    """Four processes write while this one drains: each event gets to Redis once."""
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_fill, args=(path, 1000 * number)) for number in range(4)]
    with ViewQueue(redis_url, spool_path=path) as queue:
        for writer in writers:
            writer.start()
        total = 0
        while any(writer.is_alive() for writer in writers):
            total += queue.drain_spool()
        for writer in writers:
            writer.join()
        total += queue.drain_spool()
    expected = [f"view-{1000 * process + number}" for process in range(4) for number in range(50)]
    assert total == 200 and sorted(queued(client)) == sorted(expected)
