"""What an enqueue costs beside plain Celery's, on one server in one run.

`python benchmarks/enqueue.py [--number 2000]` prints a table and exits 1 if a target is missed. The ways take
turns, in several rounds, so that a busy machine slows all of them alike. Every way validates nothing but
ours, which validates each event: the figures are those of what a backend calls.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from celery import Celery

sys.path.insert(0, str(Path(__file__).parents[1]))
from gong_views import ViewQueue
from gong_views.names import TASK_NAME
from tests.support.servers import valkey
from tests.support.views import sized_view

PAYLOAD_BYTES = 775
ROUNDS = 5


def percentile(values: list[float], share: float) -> float:
    """The value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def timed(call: Callable[[Any], Any], events: list[Any]) -> list[float]:
    """Seconds of each call."""
    seconds = []
    for event in events:
        began = time.perf_counter()
        call(event)
        seconds.append(time.perf_counter() - began)
    return seconds


def celery_app(url: str, **conf: Any) -> Celery:
    """A plain Celery producer; its results are off, which is to its advantage."""
    app = Celery("peer", broker=url, set_as_current=False)
    app.conf.update(task_ignore_result=True, **conf)
    return app


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=2000, help="events for each way and round's fifth")
    number = parser.parse_args().number // ROUNDS
    events = [sized_view(index) for index in range(number)]
    assert len(json.dumps(events[0], separators=(",", ":"))) == PAYLOAD_BYTES
    with valkey(appendfsync="everysec") as server, server.client() as client, ViewQueue(server.url) as queue:
        app = celery_app(server.url)

        @app.task(name=TASK_NAME)
        def deliver(event: Any) -> None: ...

        def plain(event: Any) -> None:
            deliver.apply_async(kwargs={"event": event}, queue="plain")

        def lean(event: Any) -> None:
            deliver.apply_async(kwargs={"event": event}, queue="lean", argsrepr="-", kwargsrepr="-")

        def raw(event: Any) -> None:
            client.lpush("raw", json.dumps(event))

        ways: dict[str, tuple[str, Callable[[Any], Any]]] = {
            "apply_async": ("plain", plain),
            "apply_async, reprs off": ("lean", lean),
            "ViewQueue.enqueue": ("gong-views.live", queue.enqueue),
            "raw LPUSH": ("raw", raw),
        }
        for _, call in ways.values():  # connect and warm up
            timed(call, events[:20])
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        batches: list[float] = []
        for _ in range(ROUNDS):
            for name, (_, call) in ways.items():
                seconds[name] += timed(call, events)
            began = time.perf_counter()
            result = queue.enqueue_many(events * 5, "bulk")
            batches.append((time.perf_counter() - began) / len(result.accepted))
        sizes = {name: mean_bytes(client, key) for name, (key, _) in ways.items()}
        sizes["enqueue_many"] = mean_bytes(client, "gong-views.bulk")

    return report(seconds, statistics.median(batches), sizes)


def mean_bytes(client: redis.Redis, key: str) -> float:
    """Mean length of a list's items."""
    items: Any = client.lrange(key, 0, 499)
    return statistics.mean(len(item) for item in items)


def report(seconds: dict[str, list[float]], batch: float, sizes: dict[str, float]) -> int:
    """Print the table; 1 if a target is missed."""
    base = seconds["apply_async"]
    rate = 1 / statistics.mean(base)
    print(f"{'':24}{'p50 ms':>9}{'p99 ms':>9}{'per s':>9}{'× apply_async':>15}{'bytes':>8}{'× payload':>11}")
    for name, values in seconds.items():
        row(
            name,
            percentile(values, 0.5),
            percentile(values, 0.99),
            1 / statistics.mean(values),
            rate,
            sizes[name],
        )
    row("enqueue_many", None, None, 1 / batch, rate, sizes["enqueue_many"])
    ours = seconds["ViewQueue.enqueue"]
    lean = seconds["apply_async, reprs off"]
    targets = {
        "single p50 no slower than apply_async": percentile(ours, 0.5) <= percentile(base, 0.5),
        "single p50 no slower with its reprs off": percentile(ours, 0.5) <= percentile(lean, 0.5),
        "single p99 no slower than apply_async": percentile(ours, 0.99) <= percentile(base, 0.99),
        "batches at least 8 × apply_async": 1 / batch >= 8 * rate,
        "bytes at most 1.5 × the payload": max(sizes["ViewQueue.enqueue"], sizes["enqueue_many"])
        <= 1.5 * PAYLOAD_BYTES,
    }
    for target, met in targets.items():
        print(f"{'met   ' if met else 'MISSED'}  {target}")
    return 0 if all(targets.values()) else 1


def row(name: str, p50: float | None, p99: float | None, rate: float, base: float, size: float) -> None:
    """One line of the table."""
    times = "".join(f"{value * 1000:9.3f}" if value is not None else f"{'-':>9}" for value in (p50, p99))
    print(f"{name:24}{times}{rate:9.0f}{rate / base:15.2f}{size:8.0f}{size / PAYLOAD_BYTES:11.2f}")


if __name__ == "__main__":
    sys.exit(main())
