"""What it takes to start: the libraries alone, a command, and a worker until it is ready, beside a plain Celery worker.

`PYTHONPATH=. python benchmarks/start.py [--rounds 11] [--worker-rounds 5]`. All take turns, so that other work on the
machine meets all alike. Processor time is the process's own, in user and kernel; the median of the rounds counts.
`status` is asked of an installation that has delivered events, and whose worker is gone.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import psutil

from gong_worker.ledger import migrate
from tests.support.pipeline import Pipeline
from tests.support.processes import clean_environment, process
from tests.support.servers import Postgres, valkey, wait_until
from tests.support.simulator import simulator_process

# redis-py imports OpenTelemetry's SDK where that is installed.
WITHOUT_OTEL = """
import sys
sys.modules["opentelemetry"] = None
sys.argv[1:] = ["status"]
from gong_worker.__main__ import main
main()
"""
LIBRARIES = ("redis", "sqlalchemy", "pydantic", "click")


def command(arguments: list[str], environment: Mapping[str, str]) -> list[float]:
    """Processor seconds and seconds of a command that ends well."""
    began = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, *arguments],
        env={**clean_environment(), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait for it again
    assert child.stderr is not None
    with child.stderr as told:
        assert child.returncode == 0, told.read().decode()
    return [used.ru_utime + used.ru_stime, seconds]


def worker(arguments: list[str], environment: Mapping[str, str], folder: Path) -> list[float]:
    """Processor seconds and seconds of a worker until it says that it is ready."""
    log = folder / "worker.log"
    log.unlink(missing_ok=True)
    began = time.monotonic()
    with process(arguments, log, environment) as started:
        wait_until(lambda: "worker_ready" in started.log or not started.running(), "the worker", 60)
        seconds = time.monotonic() - began
        assert started.running(), started.log
        return [sum(psutil.Process(started.pid).cpu_times()[:2]), seconds]


def measure(rounds: int, ways: Mapping[str, Callable[[], list[float]]]) -> None:
    """Run all of them in turn, and print their medians."""
    found: dict[str, list[list[float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            found[name].append(run())
    for name, figures in found.items():
        used, seconds = (statistics.median(column) for column in zip(*figures, strict=True))
        print(f"{name:58}{used:8.2f}{seconds:8.2f}", flush=True)


def at_work(stack: ExitStack, folder: Path, url: str) -> Mapping[str, str]:
    """The environment of an installation whose worker has delivered some events."""
    folder.mkdir()
    migrate(url)
    server = stack.enter_context(valkey(appendfsync="everysec"))
    simulator = stack.enter_context(simulator_process(folder / "simulator.jsonl", per_second=200))
    pipeline = Pipeline(folder, server, url, simulator)
    try:
        pipeline.enqueue(range(50))
        pipeline.worker()
        pipeline.drain()
    finally:
        pipeline.close()
    return pipeline.environment


def ways_to_start(stack: ExitStack, folder: Path) -> tuple[dict[str, Callable[[], list[float]]], ...]:
    """The commands, and the workers, by name."""
    sqlite = at_work(stack, folder / "sqlite", f"sqlite:///{folder}/sqlite/ledger.db")
    postgres = Postgres(folder)
    stack.callback(postgres.stop)
    postgresql = at_work(stack, folder / "postgresql", postgres.new_database())
    peer = [
        "benchmarks._plain_celery",
        stack.enter_context(valkey(appendfsync="everysec")).url,
        f"sqlite:///{folder}/plain.db",
        "http://127.0.0.1:9",
        "threads",
    ]
    status = ["-m", "gong_worker", "status"]
    commands = {
        "python -c pass": lambda: command(["-c", "pass"], {}),
        f"python -c 'import {', '.join(LIBRARIES)}'": lambda: command(
            ["-c", f"import {', '.join(LIBRARIES)}"], {}
        ),
        "gong-views --help": lambda: command(["-m", "gong_worker", "--help"], sqlite),
        "gong-views status, SQLite": lambda: command(status, sqlite),
        "gong-views status, SQLite, without the extra otel": lambda: command(["-c", WITHOUT_OTEL], sqlite),
        "gong-views status, PostgreSQL": lambda: command(status, postgresql),
        "gong-views status, PostgreSQL, without the extra otel": lambda: command(
            ["-c", WITHOUT_OTEL], postgresql
        ),
    }
    workers = {
        "a plain task's worker until it is ready": lambda: worker(peer, {"PYTHONPATH": "."}, folder),
        "gong-views worker until it is ready": lambda: worker(["gong_worker", "worker"], sqlite, folder),
    }
    return commands, workers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--worker-rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        commands, workers = ways_to_start(stack, Path(name))
        print(f"{'median':58}{'CPU s':>8}{'s':>8}")
        measure(arguments.rounds, commands)
        measure(arguments.worker_rounds, workers)


if __name__ == "__main__":
    main()
