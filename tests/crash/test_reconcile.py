"""`gong-views reconcile`: exact at rest, silent under traffic, and it names what is missing."""

import json
import subprocess
import threading

from gong_views.names import DELAYED_KEY, DELAYED_MESSAGES_KEY, ENQUEUE_COUNTS_KEY, Lane
from gong_worker.operations.reconcile import reconcile
from tests.crash.conftest import Start
from tests.support.pipeline import Pipeline
from tests.support.processes import command as run
from tests.support.servers import wait_until


def command(line: Pipeline, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run("reconcile", *arguments, environment=line.environment)


def today(line: Pipeline) -> str:
    """The day on which the producers counted, which is not asked of this machine's clock again."""
    [day] = {key.split(b"|")[1].decode() for key in line.redis.hkeys(ENQUEUE_COUNTS_KEY) if b"|" in key}
    return day


def test_a_loss_made_by_hand(postgres_url: str, pipeline: Start) -> None:
    """One message deleted from its lane and one from the delayed set: named by lane and day, exit 1."""
    line = pipeline(postgres_url, retry_base_seconds=600, retry_max_seconds=600)
    line.gong.fault("status", status=500, match={"eventId": "view-0"})
    line.enqueue([0])
    worker = line.worker()
    wait_until(lambda: line.redis.hlen(DELAYED_MESSAGES_KEY) == 1, "an event that waits for its next try")
    assert worker.terminate() == 0
    line.enqueue(range(1, 4))
    line.enqueue(range(4, 9), lane="bulk")
    exact = command(line, "--json")
    assert exact.returncode == 0, exact.stderr
    assert json.loads(exact.stdout)["drift"] == []
    line.redis.lpop(Lane.BULK.queue)
    line.redis.delete(DELAYED_KEY, DELAYED_MESSAGES_KEY)
    found = command(line, "--json")
    assert found.returncode == 1, found.stderr
    day = today(line)
    data = json.loads(found.stdout)
    assert data["drift"] == [
        {"lane": "bulk", "day": day, "missing": 1},
        {"lane": "live", "day": day, "missing": 1},
    ]
    assert data["enqueued"] == 9 and data["queued"] == 7
    # The one that was waiting is known to the ledger; the other had not been taken up yet.
    assert data["unsettled_events"] == [{"lane": "live", "day": day, "events": 1}]
    text = command(line)
    assert text.returncode == 1
    assert "bulk" in text.stdout and day in text.stdout


def test_no_false_alarm_under_traffic(sqlite_url: str, pipeline: Start) -> None:
    """While producers and workers go on at full speed, nothing is said to be missing or too many."""
    line = pipeline(sqlite_url, calls_per_second=200, concurrency=4)
    line.gong.fault("status", status=500, times=None, probability=0.2)
    line.worker()
    more = threading.Event()
    found = []
    with line.producing(range(250), pause_seconds=0.01):
        while line.settled() < 150:
            found.append(reconcile(line.services))
            more.wait(0.05)
    assert [look.drift for look in found if look.drift] == []
    assert found[-1].enqueued >= found[0].enqueued
    line.gong.clear_faults()
    line.drain()
    line.verify()
