"""How much of the allowed rate whole workers use while there is a backlog, and what they are refused.

`PYTHONPATH=. python benchmarks/pipeline.py [--workers 1 4] [--per-second 3] [--seconds 60]`: real worker processes, a
real Valkey, SQLite, and the simulator, which refuses the fourth call in any sliding second. The figure is a ratio:
calls made between the first and the last, over the calls that the limit allows in that time.
"""

import argparse
import tempfile
from pathlib import Path

from gong_worker.ledger import migrate
from tests.support.pipeline import Pipeline
from tests.support.servers import valkey, wait_until
from tests.support.simulator import simulator_process


def measure(workers: int, per_second: int, seconds: float) -> tuple[float, int, int, int]:
    """Share of the allowed rate used, calls, 429s, and the most calls in any sliding second."""
    events = int(per_second * seconds)
    with tempfile.TemporaryDirectory() as name, valkey(appendfsync="everysec") as server:
        folder = Path(name)
        url = f"sqlite:///{folder / 'ledger.db'}"
        migrate(url)
        with simulator_process(folder / "simulator.jsonl", per_second=per_second) as simulator:
            pipeline = Pipeline(
                folder, server, url, simulator, calls_per_second=per_second, calls_per_day=1_000_000
            )
            try:
                pipeline.enqueue(range(events))
                started = [pipeline.worker(ready=False) for _ in range(workers)]
                pipeline.wait_ready(*started)
                wait_until(pipeline.drained, "the backlog to be gone", seconds * 3 + 60)
                pipeline.verify()
            finally:
                pipeline.close()
            arrivals = sorted(call["arrived_monotonic"] for call in pipeline.gong.log())
            stats = pipeline.gong.stats()
    used = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) / per_second
    return used, len(arrivals), stats["outcomes"].get("throttled", 0), stats["max_in_sliding_second"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--per-second", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    print(f"{'workers':>8} {'used ÷ allowed':>15} {'calls':>6} {'429s':>5} {'most in a second':>17}")
    for workers in arguments.workers:
        used, calls, refused, most = measure(workers, arguments.per_second, arguments.seconds)
        print(f"{workers:8} {used:15.3f} {calls:6} {refused:5} {most:17}")


if __name__ == "__main__":
    main()
