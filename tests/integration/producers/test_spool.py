"""`on_unavailable="spool"`: what Redis does not take is on this machine's disk, and gets to Redis later."""

import fcntl
import json
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
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
    return tmp_path / "folder" / "spool.db"


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


def rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """What the spool holds, as any SQLite client sees it."""
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT lane, event FROM events WHERE NOT unreadable ORDER BY id").fetchall()
    return [(lane, json.loads(event)) for lane, event in found]


def test_an_event_is_on_disk_when_redis_is_away(make: Make, path: Path) -> None:
    """The receipt says spooled; the database has one row an event, for the owner's eyes only."""
    way = make(nowhere())
    receipts = [way.enqueue(view(1)), way.enqueue(view(2), "bulk")]
    assert [(receipt.event_id, receipt.spooled) for receipt in receipts] == [
        ("view-1", True),
        ("view-2", True),
    ]
    assert rows(path) == [("live", view(1)), ("bulk", view(2))]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_next_enqueue_that_succeeds_drains_the_spool(
    make: Make, path: Path, client: redis.Redis, redis_url: str
) -> None:
    """Spooled events get to the lane they were meant for, counted, and nothing of them is left on disk."""
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
    left = b"".join(file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-shm"))
    assert rows(path) == [] and b"globex" not in left


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
    assert [event["eventId"] for _, event in rows(path)] == ["view-1", "view-3", "view-4"]


def test_a_drain_that_meets_an_outage_loses_nothing(
    make: Make, path: Path, client: redis.Redis, redis_url: str
) -> None:
    """What was not pushed stays, and goes in next time."""
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
    Spool(path).append(Lane.LIVE, [Item("view-7", view(7))])
    with ViewQueue(redis_url, spool_path=path) as queue:
        queue.enqueue(view(1))
        assert queued(client) == ["view-1"] and queue.drain_spool() == 1


def test_a_spool_that_cannot_be_drained_fails_no_enqueue(
    make: Make, path: Path, client: redis.Redis, redis_url: str
) -> None:
    """Redis has the event: what is wrong with the spool is logged, and raised by an explicit drain only."""
    path.parent.mkdir()
    path.write_text("this is no database" * 1000)
    assert not make(redis_url).enqueue(view(1)).spooled
    assert queued(client) == ["view-1"]
    with pytest.raises(OSError, match="no SQLite database"):
        make(redis_url).drain_spool()
    with pytest.raises(QueueUnavailable, match="no SQLite database"):
        make(nowhere()).enqueue(view(2))


def test_the_default_is_a_database_in_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a path it is `spool.db` in GONG_VIEWS_DATA_DIR; `x.jsonl`, as with 0.1, lies in `x.db`."""
    monkeypatch.setenv("GONG_VIEWS_DATA_DIR", str(tmp_path / "data"))
    for path, file in ((None, tmp_path / "data/spool.db"), (tmp_path / "gong.jsonl", tmp_path / "gong.db")):
        with ViewQueue(nowhere(), on_unavailable="spool", spool_path=path) as queue:
            queue.enqueue(view(1))
        assert rows(file) == [("live", view(1))]


@pytest.mark.parametrize("named", [True, False])
def test_a_spool_of_0_1_is_drained_first(
    make: Make, path: Path, client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """Its file, the one set aside and the place where a drain stopped are taken on in order; a torn line is kept."""
    monkeypatch.setenv("GONG_VIEWS_DATA_DIR", str(path.parent))
    path.parent.mkdir()
    jsonl = path.with_suffix(".jsonl")
    aside = [_line(number) for number in range(3)]
    path.with_name("spool.jsonl.draining").write_bytes(b"".join(aside))
    path.with_name("spool.jsonl.position").write_text(str(len(aside[0])))
    torn = b'{"lane":"live","eventId":"view-4","eve'
    jsonl.write_bytes(_line(3, lane="bulk", source="shop", replayOf=7) + torn + b"\n" + _line(5))
    options: dict[str, Any] = {"spool_path": jsonl if named else None}
    make(nowhere(), **options).enqueue(view(6))
    receipt = make(redis_url, **options).enqueue(view(7))
    assert not receipt.spooled
    assert queued(client) == ["view-7", "view-1", "view-2", "view-5", "view-6"]
    envelope = parse(client.lindex("gong-views.bulk", 0))  # type: ignore[arg-type]
    assert (envelope.event, envelope.source, envelope.replay_of) == (view(3), "shop", 7)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT event FROM events").fetchall() == [(torn.decode() + "\n",)]
    assert not [file for file in path.parent.glob("spool.jsonl*") if not file.name.endswith("lock")]


def test_a_spool_of_0_1_that_is_being_drained_is_left_alone(path: Path) -> None:
    """While a process of 0.1 holds its lock, its lines stay its own, and nothing waits."""
    path.parent.mkdir()
    jsonl = path.with_suffix(".jsonl")
    jsonl.write_bytes(_line(1))
    spool = Spool(path, jsonl)
    with path.with_name("spool.jsonl.drain.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert spool.take(5, 60) is None
    with spool.taking(5, 60) as piece:
        assert piece is not None and piece.size == 1


def _line(number: int, **fields: Any) -> bytes:
    """One event as 0.1 spooled it."""
    record = {"lane": "live", "eventId": f"view-{number}", "event": view(number), **fields}
    return json.dumps(record).encode() + b"\n"
