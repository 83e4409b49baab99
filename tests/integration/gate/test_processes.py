"""Real processes on the real clock: the law holds at the receiving end."""

import subprocess
import sys

from tests.integration.gate.support import shortest_window

CALLER = """
import sys, time
import redis
from gong_views.names import Lane
from gong_worker.domain.outcomes import Delivered
from gong_worker.gate import Gate, GateSettings, Go, Later, Slot

url, seconds, lane = sys.argv[1], float(sys.argv[2]), Lane(sys.argv[3])
gate = Gate(redis.Redis.from_url(url), GateSettings(calls_per_second=40), history=lambda since: (), name="test")
end = time.monotonic() + seconds
while time.monotonic() < end:
    slot = gate.acquire(lane, "event")
    if not isinstance(slot, Slot):
        time.sleep(slot.retry_in_seconds)
        continue
    time.sleep(max(0.0, slot.at - time.monotonic()))
    if isinstance(gate.confirm(slot), Go):
        written = time.monotonic()
        # When it was to be written: how late this machine gets to it is not the gate's doing.
        print(slot.at)
        gate.report(slot, "event", Delivered(200), written_late_seconds=written - slot.at, reply_seconds=0.001)
"""


def test_many_processes_one_budget(redis_url: str) -> None:
    """Three processes, live and bulk, on one budget of 40 calls/s: at most 40 in any second, and most of them used."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CALLER, redis_url, "2", lane], stdout=subprocess.PIPE, text=True
        )
        for lane in ("live", "bulk", "bulk")
    ]
    calls = [float(line) for process in processes for line in process.communicate(timeout=60)[0].split()]
    assert [process.returncode for process in processes] == [0] * 3
    assert shortest_window(calls, 40) >= 1.0
    assert len(calls) >= 0.6 * 40 * (max(calls) - min(calls))
