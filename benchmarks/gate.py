"""How much of the allowed rate N processes use, and how often they are refused: the gate beside three libraries.

For each limiter and each jitter, N processes call one receiver as fast as the limiter lets them. The receiver
allows no more than `--rate` calls in any sliding second (refused ones are not counted) and delays each call
and each answer at random by up to the jitter. Printed: calls accepted ÷ calls allowed, refusals, and round
trips to Redis per call, which is what the libraries and the gate send, counted in redis-py.

    .venv/bin/python benchmarks/gate.py [--seconds 20] [--processes 6] [--plot docs/gate-arrivals.png]
"""

import argparse
import asyncio
import json
import multiprocessing
import random
import socket
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._gate_peers import LIMITERS
from tests.support.servers import Valkey, free_port, wait_until

Arrival = tuple[float, bool]
SPAWN = multiprocessing.get_context("spawn")


def receiver(port: int, rate: int, jitter: float) -> None:
    """A TCP server that answers each line with 200 or 429, and `report` with all arrivals as JSON."""
    arrivals: list[Arrival] = []
    accepted: deque[float] = deque()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line == b"report\n":
                writer.write(json.dumps(arrivals).encode() + b"\n")
                continue
            if jitter:
                await asyncio.sleep(random.uniform(0, jitter))
            now = time.monotonic()
            while accepted and now - accepted[0] >= 1.0:
                accepted.popleft()
            good = len(accepted) < rate
            if good:
                accepted.append(now)
            arrivals.append((now, good))
            if jitter:
                await asyncio.sleep(random.uniform(0, jitter))
            writer.write(b"200\n" if good else b"429\n")

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", port, limit=2**20)
        async with server:
            await server.serve_forever()

    asyncio.run(main())


def caller(limiter: str, url: str, port: int, rate: int, seconds: float, ready: Any, out: Any) -> None:
    """One process: wait for the limiter, call, repeat; sends the number of round trips to Redis at the end."""
    trips = 0
    connection = redis.connection.AbstractConnection
    send = connection.send_packed_command

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal trips
        trips += 1
        return send(self, *args, **kwargs)

    connection.send_packed_command = counted  # type: ignore[method-assign]
    pacer = LIMITERS[limiter](url, rate)
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = sock.makefile("rb")
        ready.wait(120)
        start = time.monotonic()
        trips = 0
        while True:
            pacer.wait()
            if time.monotonic() > start + seconds:
                break
            sock.sendall(b"call\n")
            written = time.monotonic()
            answer = reader.readline()
            pacer.done(written, time.monotonic(), answer == b"200\n")
    out.put(trips)


@dataclass
class Cell:
    """What one limiter did under one jitter."""

    limiter: str
    jitter_ms: float
    arrivals: list[Arrival]
    round_trips: int
    rate: int

    @property
    def refused(self) -> int:
        return sum(not good for _, good in self.arrivals)

    @property
    def utilisation(self) -> float:
        """Accepted calls ÷ allowed calls, from the first arrival to the last."""
        good = [moment for moment, good in self.arrivals if good]
        return (len(good) - 1) / (self.arrivals[-1][0] - self.arrivals[0][0]) / self.rate

    def row(self) -> str:
        trips = self.round_trips / len(self.arrivals)
        return (
            f"| {self.limiter} | {self.jitter_ms:g} | {self.utilisation:.3f} "
            f"| {self.refused}/{len(self.arrivals)} | {trips:.1f} |"
        )


def measure(limiter: str, jitter: float, options: argparse.Namespace, url: str) -> Cell:
    """Run one cell."""
    with redis.Redis.from_url(url) as client:
        client.flushall()
    port = free_port()
    judge = SPAWN.Process(target=receiver, args=(port, options.rate, jitter), daemon=True)
    judge.start()
    out: Any = SPAWN.Queue()
    try:
        wait_until(lambda: _answers(port), "the receiver")
        # Python processes take their time to start on few cores; all begin to call at the same moment.
        ready = SPAWN.Barrier(options.processes)
        callers = [
            SPAWN.Process(target=caller, args=(limiter, url, port, options.rate, options.seconds, ready, out))
            for _ in range(options.processes)
        ]
        for process in callers:
            process.start()
        trips = sum(out.get(timeout=options.seconds + 120) for _ in callers)
        for process in callers:
            process.join()
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"report\n")
            arrivals = json.loads(sock.makefile("rb").readline())
    finally:
        judge.terminate()
        judge.join()
    return Cell(limiter, jitter * 1000, [(moment, good) for moment, good in arrivals], trips, options.rate)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def plot(cells: list[Cell], path: Path, seconds: float = 8.0) -> None:
    """Arrivals of some seconds, a row a limiter, at the highest jitter measured."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    worst = max(cell.jitter_ms for cell in cells)
    rows = [cell for cell in cells if cell.jitter_ms == worst]
    figure, axes = pyplot.subplots(
        len(rows), 1, figsize=(9, 0.95 * len(rows) + 0.9), sharex=True, squeeze=False
    )
    for axis, cell in zip(axes[:, 0], rows, strict=True):
        # From the middle on, where every limiter has found its pace.
        begin = cell.arrivals[len(cell.arrivals) // 3][0]
        shown = [(at - begin, good) for at, good in cell.arrivals if 0 <= at - begin <= seconds]
        axis.vlines([at for at, good in shown if good], 0, 1, color="#2b6cb0", linewidth=1.8)
        axis.vlines(
            [at for at, good in shown if not good], 0, 1, color="#c53030", linewidth=1.8, linestyle=":"
        )
        axis.scatter([at for at, good in shown if not good], [1.0 for _, good in shown if not good],
                     color="#c53030", marker="x", s=28, clip_on=False, zorder=3)  # fmt: skip
        axis.set_title(
            f"{cell.limiter}: {cell.utilisation:.1%} used, {cell.refused} of {len(cell.arrivals)} refused",
            loc="left", fontsize=9,
        )  # fmt: skip
        axis.set_ylim(0, 1.1)
        axis.set_yticks([])
        for side in ("left", "right", "top"):
            axis.spines[side].set_visible(False)
    axes[-1, 0].set_xlim(0, seconds)
    axes[-1, 0].set_xlabel(
        f"seconds; arrivals at a server that allows {rows[0].rate} calls in any second, "
        f"0–{worst:g} ms each way; red: refused (429)",
        fontsize=8,
    )
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run every cell and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="a cell")
    parser.add_argument("--processes", type=int, default=6)
    parser.add_argument("--rate", type=int, default=3, help="calls a second")
    parser.add_argument("--jitter", type=float, nargs="*", default=[0, 10, 30], help="ms each way")
    parser.add_argument("--only", nargs="*", default=[], help="limiters whose name begins so")
    parser.add_argument("--plot", type=Path, help="where to write a PNG of the arrivals")
    options = parser.parse_args()
    names = [name for name in LIMITERS if not options.only or name.startswith(tuple(options.only))]
    print(
        f"{options.processes} processes, {options.rate} calls in any sliding second, "
        f"{options.seconds:g} s a cell\n\n"
        "| limiter | jitter each way, ms | utilisation | refused / calls | Redis round trips per call |\n"
        "|---|---|---|---|---|",
        flush=True,
    )
    cells: list[Cell] = []
    with tempfile.TemporaryDirectory(prefix="gong-views-bench-") as folder:
        server = Valkey(Path(folder), appendfsync="everysec").start()
        try:
            for jitter in options.jitter:
                for name in names:
                    cells.append(measure(name, jitter / 1000, options, server.url))
                    print(cells[-1].row(), flush=True)
        finally:
            server.kill()
    if options.plot:
        plot(cells, options.plot)


if __name__ == "__main__":
    main()
