"""Some minutes of a sandbox with something of everything: holds, a 429, server errors, a burst of dead letters."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gong_worker.ledger import migrate
from tests.integration.deploy.scraped import scraping
from tests.support.pipeline import Pipeline
from tests.support.prometheus import Prometheus
from tests.support.servers import valkey
from tests.support.simulator import simulator_process

TICK_SECONDS = 0.5
CALLS_PER_SECOND = 8


@dataclass(frozen=True)
class Played:
    """A Prometheus that has seen it, from `begin` to `end` (Unix seconds)."""

    server: Prometheus
    begin: float
    end: float


@contextmanager
def played(folder: Path, minutes: float) -> Iterator[Played]:
    """Play it; the Prometheus answers for the length of the block."""
    database_url = f"sqlite:///{folder / 'ledger.db'}"
    migrate(database_url)
    with (
        valkey(appendfsync="no") as queue,
        simulator_process(
            folder / "simulator.jsonl", per_second=CALLS_PER_SECOND + 2, latency_ms=(40, 250)
        ) as simulator,
    ):
        pipeline = Pipeline(
            folder, queue, database_url, simulator,
            calls_per_second=CALLS_PER_SECOND, calls_per_day=1500, day_reserve=200, max_attempts=4,
        )  # fmt: skip
        try:
            with scraping(pipeline) as server:
                pipeline.wait_ready(pipeline.worker(), pipeline.worker())
                begin = time.time()
                _play(pipeline, minutes * 60)
                yield Played(server, begin, time.time())
        finally:
            pipeline.close()


def _play(pipeline: Pipeline, length: float) -> None:
    """Live events all the time; each trouble at its part of the time."""
    chance = random.Random(7)
    gong, gate = pipeline.gong, pipeline.services.gate
    gong.fault("reject", times=None, match={"eventIdPrefix": "refused-"})
    gong.fault("status", status=500, times=None, match={"eventIdPrefix": "broken-"})
    gong.fault("lost_reply", times=6, skip=40)
    story: list[tuple[float, Callable[[], object]]] = [
        (0.05, lambda: pipeline.enqueue(range(250), lane="bulk", prefix="import-")),
        (0.22, lambda: gong.fault("status", status=429, headers={"Retry-After": "18"})),
        (0.38, lambda: pipeline.enqueue(range(12), prefix="refused-")),
        (0.42, lambda: pipeline.enqueue(range(3), prefix="broken-")),
        (0.50, lambda: gate.hold("a deployment at Gong", "ann")),
        (0.62, lambda: gate.release("ann")),
        (0.72, lambda: gong.fault("status", status=503, times=8)),
        (0.80, lambda: pipeline.enqueue(range(60), lane="bulk", prefix="import-")),
        (0.88, lambda: pipeline.enqueue(range(12, 20), prefix="refused-")),
    ]
    tick, began, number = threading.Event(), time.monotonic(), 0
    while (now := (time.monotonic() - began) / length) < 1:
        while story and story[0][0] <= now:
            story.pop(0)[1]()
        for _ in range(chance.choice((0, 1, 1, 2))):
            again = number > 10 and chance.random() < 0.06
            pipeline.enqueue([chance.randrange(number) if again else number])
            number += not again
        tick.wait(TICK_SECONDS)
