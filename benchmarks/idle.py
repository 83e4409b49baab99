"""What an idle worker costs Redis, and how soon it takes up a live message: our transport beside stock kombu's.

`python benchmarks/idle.py [--seconds 10] [--messages 100]`. Both workers only note the time at which their task
begins, so the figures are the transport's alone.
"""

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from gong_views.message import build
from gong_views.names import Lane
from tests.support.processes import process
from tests.support.servers import Valkey, valkey, wait_until


def commands(server: Valkey) -> int:
    """Commands the server has run so far, this question not counted."""
    with server.client() as client:
        return int(client.info("stats")["total_commands_processed"])


def pickups(folder: Path) -> list[float]:
    """Unix times at which tasks began, in the order of their numbers."""
    found = {}
    for path in folder.glob("got.*"):
        for line in path.read_text().splitlines():
            number, at = line.split()
            found[int(number)] = float(at)
    return [found[number] for number in sorted(found)]


def measure(kind: str, seconds: float, messages: int) -> tuple[float, float, float]:
    """Commands a second while idle; p50 and p99 of push to task, in milliseconds."""
    with tempfile.TemporaryDirectory() as name, valkey(appendfsync="everysec") as server:
        folder = Path(name)
        arguments = ["tests.support.plain_worker", kind, server.url, name, "8", "calm"]
        with process(arguments, folder / "worker.log") as worker, server.client() as client:
            wait_until(lambda: (folder / f"ready.{worker.pid}").exists(), "the worker", 60)
            time.sleep(2)
            before = commands(server)
            time.sleep(seconds)
            # Each look connects anew, which is up to four commands of its own.
            idle = (commands(server) - before - 4) / seconds
            pushed = []
            for number in range(messages):
                raw = build({"n": number}, Lane.LIVE, enqueued_at=datetime.now(UTC))[1]
                pushed.append(time.time())
                client.lpush(Lane.LIVE.queue, raw)
                wait_until(lambda number=number: len(pickups(folder)) > number, "the pickup")
            waits = sorted((got - sent) * 1000 for got, sent in zip(pickups(folder), pushed, strict=True))
            return idle, statistics.median(waits), waits[int(len(waits) * 0.99) - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--messages", type=int, default=100)
    arguments = parser.parse_args()
    rows = {kind: measure(kind, arguments.seconds, arguments.messages) for kind in ("stock", "durable")}
    print(f"{'transport':10} {'commands/s idle':>16} {'pickup p50 ms':>14} {'pickup p99 ms':>14}")
    for kind, (idle, middle, tail) in rows.items():
        print(f"{kind:10} {idle:16.1f} {middle:14.1f} {tail:14.1f}")
    stock, ours = rows["stock"], rows["durable"]
    print("ours ÷ stock", *(f"{mine / theirs:.2f}" for mine, theirs in zip(ours, stock, strict=True)))


if __name__ == "__main__":
    main()
