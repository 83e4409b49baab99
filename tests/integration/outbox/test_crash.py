"""kill -9 of relays under load: no committed event is lost, no rolled back one is sent."""

import multiprocessing
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from gong_views import ViewQueue, outbox
from gong_views.outbox.relay import Relay
from gong_views.receipt import BatchResult
from tests.integration.outbox.support import (
    add_many,
    backend_engine,
    ids,
    queued,
    table_rows,
    unrelayed,
)
from tests.support.servers import wait_until
from tests.support.views import view

# Children come from a server process that has everything imported, so a new one is there in milliseconds.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])

RELAYS = 3
KILLS = 20
BATCH = 10


def relay_for_ever(database_url: str, redis_url: str) -> None:
    """A relay process; it ends by kill -9 only."""
    queue = ViewQueue(redis_url)
    Relay(backend_engine(database_url), queue, batch=BATCH, poll_seconds=0.01).run(threading.Event())


def relay_that_dies(database_url: str, redis_url: str, after_enqueue: bool) -> None:
    """A relay process that kills itself just before or just after its batch is on the queue."""

    class Deadly(ViewQueue):
        def enqueue_many(self, events: Iterable[Any], *args: Any, **options: Any) -> BatchResult:
            if after_enqueue:
                super().enqueue_many(events, *args, **options)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError

    Relay(backend_engine(database_url), Deadly(redis_url), batch=BATCH).drain(threading.Event())


def start(target: Any, *arguments: Any) -> Any:
    process = processes.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def test_a_crash_around_the_enqueue_repeats_and_loses_nothing(
    engine: sa.Engine, database_url: str, queue: ViewQueue, redis_url: str, stop: threading.Event
) -> None:
    """Killed before the enqueue: no repeat. Killed between enqueue and mark: that one batch repeats."""
    add_many(engine, range(30))
    for after_enqueue, copies in ((False, 0), (True, 1)):
        process = start(relay_that_dies, database_url, redis_url, after_enqueue)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert Counter(queued(redis_url)) == Counter(ids(range(BATCH)) * copies)
        assert unrelayed(engine) == 30
    Relay(engine, queue, batch=BATCH).drain(stop)
    assert unrelayed(engine) == 0
    assert Counter(queued(redis_url)) == Counter(ids(range(30)) + ids(range(BATCH)))


def test_relays_killed_under_load_lose_nothing(
    engine: sa.Engine, database_url: str, queue: ViewQueue, redis_url: str, stop: threading.Event
) -> None:
    """With relays killed all the while, exactly the committed events are enqueued; a kill repeats one batch at most."""
    seed = 20260701
    chance = random.Random(seed)
    committed: list[str] = []
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            with engine.connect() as connection:
                chosen = [outbox.add(connection, view(number + i)) for i in range(4)]
                number += 4
                if number % 3 == 0:
                    connection.rollback()
                else:
                    connection.commit()
                    committed.extend(chosen)
            done.wait(0.004)

    writer = threading.Thread(target=write)
    relays = [start(relay_for_ever, database_url, redis_url) for _ in range(RELAYS)]
    writer.start()
    try:
        for _ in range(KILLS):
            before = len(queued(redis_url))
            wait_until(lambda before=before: len(queued(redis_url)) > before, "progress")
            done.wait(chance.random() * 0.03)
            victim = chance.randrange(RELAYS)
            relays[victim].kill()
            relays[victim].join()
            relays[victim] = start(relay_for_ever, database_url, redis_url)
    finally:
        done.set()
        writer.join()
        for process in relays:
            process.kill()
            process.join()
    Relay(engine, queue).drain(stop)
    if engine.dialect.name == "postgresql":  # a killed client's rows are locked until the server notices
        wait_until(lambda: drained(engine, queue, stop), "the last rows")
    sent = Counter(queued(redis_url))
    assert set(sent) == set(committed), f"seed {seed}"
    assert len(committed) > KILLS
    assert len({row.event_id for row in table_rows(engine)}) == len(committed)
    assert sum(sent.values()) - len(sent) <= (KILLS + RELAYS) * BATCH


def drained(engine: sa.Engine, queue: ViewQueue, stop: threading.Event) -> bool:
    """Whether nothing waits after one more round."""
    Relay(engine, queue).drain(stop)
    return unrelayed(engine) == 0
