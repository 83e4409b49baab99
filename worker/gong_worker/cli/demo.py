"""`gong-views demo`: see the whole job work, and check it to the last event."""

import os
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gong_views import InvalidViewEvent, ViewQueue
from gong_worker.cli.processes import SIMULATOR_CREDENTIALS, child, simulator, stop
from gong_worker.demo import events
from gong_worker.demo.comparison import compare
from gong_worker.domain.holds import GateState
from gong_worker.embedded_server import EmbeddedServer
from gong_worker.ledger import migrate
from gong_worker.operations.services import Services, open_services
from gong_worker.operations.status import status
from gong_worker.settings import WorkerSettings
from gong_worker.simulator import SimulatorClient

RATE, RESERVE = 50, 20
"""What the simulator allows a second, and what of it is left alone: a stalled machine is not our haste."""
DEADLINE_SECONDS = 180.0


@click.command()
def demo() -> None:
    """Deliver a few hundred events through real parts and every kind of trouble, then check each one."""
    console = Console()
    for name in [name for name in os.environ if name.startswith(("GONG_", "REDIS_URL", "DATABASE_URL"))]:
        del os.environ[name]  # the demo has parts of its own and touches nobody's queue or ledger
    with tempfile.TemporaryDirectory(prefix="gong-views-demo-") as folder, ExitStack() as stack:
        data = Path(folder)
        os.chdir(data)
        stack.callback(os.chdir, Path.cwd().root)
        url = stack.enter_context(EmbeddedServer(data)).url
        address = stack.enter_context(simulator(data / "simulator.jsonl", {"per_second": RATE}))
        environment = {
            "REDIS_URL": url,
            "DATABASE_URL": f"sqlite:///{data / 'ledger.db'}",
            "GONG_BASE_URL": address,
            "GONG_VIEWS_CALLS_PER_SECOND": str(RATE),
            "GONG_VIEWS_RESERVE_PER_SECOND": str(RESERVE),
            "GONG_VIEWS_RETRY_BASE_SECONDS": "0.5",
            "GONG_VIEWS_RETRY_MAX_SECONDS": "4",
            **SIMULATOR_CREDENTIALS,
        }
        os.environ.update(environment)
        migrate(environment["DATABASE_URL"])
        services = open_services(WorkerSettings.load())
        stack.callback(services.client.close)
        gong = stack.enter_context(SimulatorClient(address))
        console.print(
            "Embedded Valkey, SQLite ledger, a worker process; "
            f"the Gong simulator allows {RATE} calls/s, of which {RESERVE} are left to others"
        )
        console.print("(Gong itself: 3/s, at which this would take two minutes). Trouble ahead:")
        for trouble in events.prepare(gong):
            console.print(f"  • {trouble}")
        enqueued, refused = _enqueue(url)
        console.print(f"Enqueued {enqueued} events, {events.DUPLICATES} of them twice; ", end="")
        console.print(f"{refused} invalid ones were refused at once, with a reason.\n")
        log = stack.enter_context((data / "worker.log").open("w"))
        worker = stack.enter_context(child(["gong_worker", "worker"], {}, cwd=data, stdout=log, stderr=log))
        drained = _watch(console, services, worker, enqueued)
        stop(worker)
        agreed = drained and _compared(console, services, gong, enqueued)
        if not agreed:
            console.print((data / "worker.log").read_text()[-4000:], markup=False, highlight=False)
    if not agreed:
        raise SystemExit(1)


def _enqueue(url: str) -> tuple[int, int]:
    enqueued = refused = 0
    with ViewQueue(url) as queue:
        for event in [*events.good(), *events.duplicates(), *events.refused(), *events.invalid()]:
            try:
                queue.enqueue(event)
                enqueued += 1
            except InvalidViewEvent:
                refused += 1
    return enqueued, refused


def _watch(console: Console, services: Services, worker: "subprocess.Popen[str]", enqueued: int) -> bool:
    """Show the queue draining; False when it does not within the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    tick = threading.Event()
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("starting", total=enqueued)
        while time.monotonic() < deadline and worker.poll() is None:
            now = status(services)
            waiting, gate, ledger = now.drain.events, now.gate, now.ledger
            if waiting is None:  # the queue did not answer in time: no news
                tick.wait(0.2)
                continue
            held = f"held: {gate.reason} until {gate.until}" if gate.state is GateState.HELD else gate.state
            text = f"gate {held} · {ledger.delivered} delivered · {ledger.dead} dead"
            progress.update(bar, completed=enqueued - waiting, description=text)
            if waiting == 0 and ledger.sending == ledger.waiting == 0:
                return True
            tick.wait(0.2)
    console.print("[red]the queue did not drain; the end of the worker's log follows[/red]")
    return False


def _compared(console: Console, services: Services, gong: SimulatorClient, enqueued: int) -> bool:
    ends = {"accepted": 0, "already_reported": 0, "duplicates": 0, "dead": 0, "discarded": 0}
    for end in services.ledger.final_counts().values():
        for name in ends:
            ends[name] += getattr(end, name)
    summary = Table(
        "delivered", "already reported", "duplicates suppressed", "dead letters", title="The ledger says"
    )
    summary.add_row(*(str(ends[name]) for name in ("accepted", "already_reported", "duplicates", "dead")))
    console.print(summary)
    lines = compare(services.ledger, gong, enqueued=enqueued, ends=ends)
    checks = Table("reconciliation", "ours", "theirs", "", title="The simulator's own log says")
    for line in lines:
        mark = "[green]agrees[/green]" if line.agree else "[red]OFF[/red]"
        checks.add_row(line.what, str(line.ours), str(line.theirs), mark)
    console.print(checks)
    agreed = all(line.agree for line in lines)
    console.print(
        "[green]Every event is accounted for.[/green]" if agreed else "[red]They do not agree.[/red]"
    )
    return agreed
