"""How the gate shares a limit with another integration that it cannot see.

    PYTHONPATH=. python benchmarks/sharing.py [--simulated 500 --runs 4] [--live 60] [--plot docs/sharing.png]

`--simulated`: the very scripts on a real Valkey, by a clock that the simulation moves; so many seconds a run.
`--live`: real workers against the simulator; so many seconds a cell. Either way the server allows no more than
`--rate` calls in any sliding second, refused ones not counted, and answers 429 with Retry-After 1. The other
integration calls in a pattern of its own and tries no call again. Live events leave nothing by default, bulk ones
one call a second. Printed, a row a cell: our accepted calls a second, the same ÷ what the limit leaves beside what the
other one offers, the part of our calls that is refused, and the part of the other one's that is accepted.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import mean

from benchmarks._sharing import PATTERNS, Cell, Pattern, mean_row
from benchmarks._sharing_live import live, live_settling, live_stray
from benchmarks._sharing_plot import plot
from benchmarks._sharing_simulated import settling, simulate, simulate_stray, timeline
from gong_views.names import Lane
from tests.support.servers import Valkey

HEAD = (
    "| other | lane | ours/s | of the rest | ours refused, % | theirs accepted |\n|---|---|---|---|---|---|"
)
CELLS = [*PATTERNS, "stray", "settling"]
Measure = Callable[[Pattern, Lane, int], Cell]


def table(measure: Measure, names: list[str], lanes: list[Lane], runs: int) -> None:
    """Print a row a pattern and lane, the mean of the runs."""
    print(HEAD, flush=True)
    for lane in lanes:
        for name in names:
            cells = [measure(PATTERNS[name], lane, seed) for seed in range(runs)]
            print(f"| {name} | {lane.value} {mean_row(cells)}", flush=True)


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--simulated", type=float, default=500, metavar="SECONDS", help="simulated time of a run; 0: none"
    )
    parser.add_argument("--runs", type=int, default=4, help="simulated runs a cell")
    parser.add_argument("--settlings", type=int, default=10, help="simulated comings and goings of each kind")
    parser.add_argument("--live", type=float, metavar="SECONDS", help="real time of a cell")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=int, default=3, help="calls a second")
    parser.add_argument("--jitter", type=float, default=5, help="ms each way, at random up to this")
    parser.add_argument("--only", nargs="*", default=CELLS, choices=CELLS)
    parser.add_argument("--lanes", nargs="*", type=Lane, default=list(Lane))
    parser.add_argument("--plot", type=Path, help="where to write a PNG of both rates, simulated")
    options = parser.parse_args()
    names = [name for name in options.only if name in PATTERNS]
    rate, jitter = options.rate, options.jitter
    with tempfile.TemporaryDirectory(prefix="gong-views-bench-") as folder:
        server = Valkey(Path(folder), appendfsync="no").start()
        try:
            if options.simulated:
                print(
                    f"simulated, {options.runs} runs of {options.simulated:g} s, {rate}/s, {jitter:g} ms each way\n"
                )
                table(
                    lambda pattern, lane, seed: simulate(
                        server.url, pattern, options.simulated, lane=lane, seed=seed, rate=rate, jitter=jitter / 1000
                    ),
                    names, options.lanes, options.runs,
                )  # fmt: skip
                lost = simulate_stray(server.url, rate=rate)
                print(f"\na stray 429 with Retry-After 1 costs {lost:.1f} calls within the minute after it")
                for name, tries_again in (
                    ("1/s regular", False),
                    ("1/s Poisson", False),
                    ("1/s Poisson", True),
                ):
                    found = [
                        settling(server.url, PATTERNS[name], rate=rate, seed=seed, tries_again=tries_again)
                        for seed in range(options.settlings)
                    ]
                    came, went = zip(*found, strict=True)
                    print(
                        f"{name}{', each refused call tried again every second' if tries_again else ''}: settled "
                        f"{mean(came):.0f} s (at most {max(came):.0f}) after it came, "
                        f"{mean(went):.0f} s (at most {max(went):.0f}) after it went", flush=True,
                    )  # fmt: skip
            if options.plot:
                plot(timeline(server.url, rate=rate), rate, options.plot)
        finally:
            server.kill()
    if options.live:
        print(
            f"live, {options.workers} workers, {options.live:g} s a cell, {rate}/s, {jitter:g} ms each way\n"
        )
        table(
            lambda pattern, lane, seed: live(
                pattern, options.live, lane=lane, seed=seed, limit=rate, workers=options.workers, jitter_ms=jitter
            ),
            names, options.lanes, 1,
        )  # fmt: skip
        if "stray" in options.only:
            lost = live_stray(limit=rate, workers=options.workers)
            print(f"\na stray 429 with Retry-After 1 costs {lost:.1f} calls within the minute after it")
        if "settling" in options.only:
            came, went = live_settling(PATTERNS["1/s regular"], seed=1, limit=rate, workers=options.workers)
            print(f"1/s regular: settled {came:.0f} s after it came, {went:.0f} s after it went")


if __name__ == "__main__":
    main()
