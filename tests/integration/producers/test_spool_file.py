"""The spool's database: nothing acknowledged is lost, whoever is killed, forks, fills the disk or shares it."""

import json
import multiprocessing
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from gong_views.commands import Item
from gong_views.message import parse
from gong_views.names import Lane
from gong_views.queue import ViewQueue
from gong_views.spool import Spool, SpooledBatch
from tests.support.views import view

LEASE = 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "spool.db"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    spool = Spool(path)
    yield spool
    spool.close()


def item(number: int) -> Item:
    return Item(f"view-{number}", view(number))


def ids(batch: SpooledBatch | None) -> list[str]:
    return [] if batch is None else [one.event_id for items in batch.lanes.values() for one in items]


def drained(spool: Spool, limit: int = 1000) -> list[str]:
    """All event ids, taken off batch by batch."""
    found: list[str] = []
    while (batch := spool.take(limit, LEASE)) is not None:
        found += ids(batch)
        spool.delete(batch)
    return found


def test_a_drain_that_dies_repeats_its_piece_and_loses_nothing(spool: Spool) -> None:
    """A batch is taken off only when the block ends well; one that is off is never read again. Oldest first."""
    spool.append(Lane.LIVE, [item(number) for number in range(5)])

    def taken(limit: int, *, dies: bool = False) -> list[str]:
        found: list[str] = []
        try:
            with spool.taking(limit, LEASE) as batch:
                found = ids(batch)
                if dies:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        return found

    assert taken(2, dies=True) == ["view-0", "view-1"]
    assert taken(2) == ["view-0", "view-1"]
    spool.append(Lane.LIVE, [item(9)])
    assert taken(2, dies=True) == ["view-2", "view-3"]
    assert taken(9) == ["view-2", "view-3", "view-4", "view-9"]
    assert taken(9) == [] and not spool.has_events()


def test_only_one_drains_at_a_time_and_a_dead_one_not_for_ever(spool: Spool, path: Path) -> None:
    """While one drain has the lease another takes nothing, without waiting; a lease that lapsed stops nobody."""
    spool.append(Lane.LIVE, [item(1), item(2)])
    other = Spool(path)
    killed = spool.take(1, LEASE)
    assert killed is not None and other.take(5, LEASE) is None
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE lease SET until = until - 60")
    batch = other.take(5, LEASE)
    assert ids(batch) == ["view-1", "view-2"]
    spool.delete(killed)  # it was alive after all: the lease it no longer has is not ended
    assert spool.take(5, LEASE) is None
    with closing(sqlite3.connect(path)) as database, database:  # the clock was put back by an hour meanwhile
        database.execute("UPDATE lease SET until = until + 3600")
    assert ids(spool.take(5, LEASE)) == ["view-2"]
    other.close()


def test_an_event_that_cannot_be_read_is_kept_and_stops_no_other(spool: Spool, path: Path) -> None:
    """A row of a stranger or of another release is marked, left alone, and told in the log."""
    spool.append(Lane.LIVE, [item(1)])
    with closing(sqlite3.connect(path)) as database, database:
        for lane, event in (("slow", json.dumps(view(2))), ("live", "{"), ("live", "[]"), ("live", "{}")):
            database.execute("INSERT INTO events (lane, event) VALUES (?, ?)", (lane, event))
    spool.append(Lane.BULK, [item(3)])
    assert drained(spool) == ["view-1", "view-3"] and not spool.has_events()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM events WHERE unreadable").fetchone() == (4,)


@pytest.mark.parametrize("umask", [0, 0o277])
def test_files_are_for_their_owner_only_whatever_the_umask(spool: Spool, path: Path, umask: int) -> None:
    """The database and what SQLite lays beside it are 0600, the folders made for it 0700."""
    before = os.umask(umask)
    try:
        spool.append(Lane.LIVE, [item(1)])
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"spool.db": 0o600, "spool.db-wal": 0o600, "spool.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_deleted_file_swallows_nothing(spool: Spool, path: Path) -> None:
    """Somebody removes the files under a running process: the next event goes to a new one."""
    spool.append(Lane.LIVE, [item(1)])
    for file in path.parent.iterdir():
        file.unlink()
    spool.append(Lane.LIVE, [item(2)])
    assert drained(Spool(path)) == ["view-2"]


def test_a_newer_database_is_refused(spool: Spool, path: Path) -> None:
    """A layout that this release does not know is not written to."""
    spool.append(Lane.LIVE, [item(1)])
    spool.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 2")
    with pytest.raises(OSError, match="newer release"):
        spool.append(Lane.LIVE, [item(2)])


_APPEND = """
import sys
from pathlib import Path
from gong_views.commands import Item
from gong_views.names import Lane
from gong_views.spool import Spool
from tests.support.views import view
spool = Spool(Path(sys.argv[1]))
number = 0
while True:
    try:
        twin = Item(f"twin-{number}", view(number, eventId=f"twin-{number}"))
        spool.append(Lane.LIVE, [Item(f"view-{number}", view(number)), twin])
    except OSError as error:
        print("refused", error.strerror, flush=True)
        break
    print(number, flush=True)
    number += 1
"""


def _appender(path: Path, **options: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _APPEND, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        **options,  # type: ignore[call-overload]
    )


def test_kill_9_loses_nothing_that_was_acknowledged(spool: Spool, path: Path) -> None:
    """Whenever the writer is killed, every append that returned is there, whole and in order."""
    for _ in range(3):
        with _appender(path) as writer:
            assert writer.stdout is not None
            for _ in range(20):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            acknowledged = 20 + len([line for line in writer.stdout.read().splitlines() if line])
        found = drained(spool, 7)
        assert found[: 2 * acknowledged] == [
            f"{name}-{number}" for number in range(acknowledged) for name in ("view", "twin")
        ]
        assert len(found) in (2 * acknowledged, 2 * acknowledged + 2)


def test_a_full_disk_is_told_and_spoils_nothing(spool: Spool, path: Path) -> None:
    """The append that does not fit raises OSError and leaves nothing; all before it are there."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    with _appender(path, preexec_fn=limit) as writer:
        assert writer.stdout is not None
        *acknowledged, refused = writer.stdout.read().splitlines()
    assert refused.startswith("refused") and len(acknowledged) > 5
    assert drained(spool) == [f"{name}-{number}" for number in acknowledged for name in ("view", "twin")]
    with closing(sqlite3.connect(path)) as database:
        [page_count] = database.execute("PRAGMA page_count").fetchone()
    spool._connection.execute(f"PRAGMA max_page_count = {page_count}")  # type: ignore[union-attr]
    with pytest.raises(OSError, match="disk is full"):
        spool.append(Lane.LIVE, [item(number) for number in range(1000)])
    assert drained(spool) == []


def test_a_process_that_holds_the_database_costs_a_bounded_wait(
    spool: Spool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen writer does not hang the others: they raise OSError after the wait, and go on when it is gone."""
    monkeypatch.setattr("gong_views.spool.BUSY_SECONDS", 0.2)
    spool.append(Lane.LIVE, [item(1)])
    spool.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as frozen:
        frozen.execute("BEGIN IMMEDIATE")
        with pytest.raises(OSError, match="another process"):
            spool.append(Lane.LIVE, [item(2)])
    spool.append(Lane.LIVE, [item(3)])
    assert drained(spool) == ["view-1", "view-3"]


def _fill(path: Path, start: int) -> None:
    spool = Spool(path)
    for number in range(start, start + 50):
        spool.append(Lane.LIVE, [item(number)])


def test_processes_share_a_spool(path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four processes write while this one drains: each event gets to Redis once, each writer's in its order."""
    # SQLite gives no turns: on a busy machine one of five may have to wait for longer than a producer would.
    monkeypatch.setattr("gong_views.spool.BUSY_SECONDS", 60.0)
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
            assert writer.exitcode == 0
        total += queue.drain_spool()
    with redis.Redis.from_url(redis_url) as client:
        raws = client.lrange("gong-views.live", 0, -1)
        queued = [int(parse(raw).event["eventId"].removeprefix("view-")) for raw in reversed(raws)]  # type: ignore[arg-type]
    assert total == 200
    for start in (0, 1000, 2000, 3000):
        assert [number for number in queued if start <= number < start + 1000] == list(
            range(start, start + 50)
        )


def test_threads_and_forks_share_a_spool(spool: Spool, path: Path) -> None:
    """Children forked while threads of the parent write: parent and children go on writing, and nothing is lost."""
    stop = threading.Event()
    written = [0, 0]

    def write(place: int) -> None:
        while not stop.is_set():
            spool.append(Lane.LIVE, [item(10_000 * (place + 1) + written[place])])
            written[place] += 1

    threads = [threading.Thread(target=write, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    children = []
    for number in range(8):
        pid = os.fork()
        if pid == 0:
            try:
                spool.append(Lane.LIVE, [item(number)])
                os._exit(0)
            finally:
                os._exit(1)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 8
    stop.set()
    for thread in threads:
        thread.join()
    expected = [*range(8), *(10_000 * (place + 1) + n for place in range(2) for n in range(written[place]))]
    assert sorted(drained(spool)) == sorted(f"view-{number}" for number in expected)
