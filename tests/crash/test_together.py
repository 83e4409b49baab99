"""Several producers and several workers at once."""

import json
import subprocess
import sys
import threading
import time

from gong_worker.queue.transport import BLOCK_SECONDS
from tests.crash.conftest import Start
from tests.support.servers import wait_until
from tests.support.views import view

TWIN = """
import json, sys
from gong_views import ViewQueue
queue = ViewQueue(sys.argv[1])
queue.ping()
print("ready", flush=True)
event = json.loads(sys.stdin.readline())
print(queue.enqueue(event).message_id, flush=True)
"""


def test_identical_events_of_two_processes(ledger_url: str, pipeline: Start) -> None:
    """Two identical events enqueued by two processes at one moment: one call, one delivery, one duplicate."""
    line = pipeline(ledger_url)
    line.gong.settings(latency_ms=(200, 300))  # so that the second meets the first in flight
    line.worker(ready=False)
    line.worker()
    twins = [
        subprocess.Popen(
            [sys.executable, "-c", TWIN, line.valkey.url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        for twin in twins:
            assert twin.stdout is not None and twin.stdout.readline() == "ready\n"
        for twin in twins:
            assert twin.stdin is not None
            twin.stdin.write(json.dumps(view(7)) + "\n")
            twin.stdin.flush()
        for twin in twins:
            assert twin.wait(30) == 0
    finally:
        for twin in twins:
            twin.kill()
            twin.communicate()
    line.enqueued["view-7"] += 2
    line.drain()
    # And with the first one's call surely under way when the second one comes.
    line.gong.settings(latency_ms=(1000, 1000))
    line.enqueue([8])
    wait_until(lambda: line.gong.stats()["in_flight"] == 1, "a call in flight")
    line.enqueue([8])
    line.drain()
    books = line.verify()
    assert books.calls == books.duplicates == {"view-7": 1, "view-8": 1}


def test_a_thousand_events_through_four_workers(postgres_url: str, pipeline: Start) -> None:
    """1,000 events, 4 worker processes: accepted = enqueued, and the ledger is the simulator's log call for call."""
    line = pipeline(postgres_url, calls_per_second=250, concurrency=4)
    for _ in range(4):
        line.worker(ready=False)
    line.wait_ready(*line.workers)
    halves = [
        threading.Thread(target=line.enqueue, args=(range(start, 1000, 2),), kwargs={"lane": lane})
        for start, lane in ((0, "live"), (1, "bulk"))
    ]
    for half in halves:
        half.start()
    for half in halves:
        half.join()
    line.drain()
    books = line.verify()
    assert books.calls == books.known_calls and set(books.calls.values()) == {1} and not books.unknown_calls
    assert len(books.answers) == 1000 and books.answers == books.sent_answers
    assert all(worker.log.count("action=attempt") > 0 for worker in line.workers)


def test_a_bulk_backlog_and_a_small_worker(sqlite_url: str, pipeline: Start) -> None:
    """A worker that may hold one bulk message takes the next as soon as that ends, not when its wait runs out."""
    line = pipeline(sqlite_url, concurrency=2)
    line.enqueue(range(30), lane="bulk")
    line.worker()
    started = time.monotonic()
    line.drain()
    assert time.monotonic() - started < 30 * BLOCK_SECONDS / 2
    line.verify()
