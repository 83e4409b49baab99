"""`gong-views up`: everything one machine needs, in one command."""

import signal
import subprocess
import threading
from contextlib import ExitStack
from types import FrameType

import click

from gong_views.embedded import redis_url_of
from gong_worker import logs
from gong_worker.cli.processes import SIMULATOR_CREDENTIALS, child, simulator
from gong_worker.embedded_server import EmbeddedServer, usable
from gong_worker.ledger import migrate
from gong_worker.operations.services import redis_client
from gong_worker.queue.server import refuse_unfit
from gong_worker.settings import HOW_TO_AUTHENTICATE, WorkerSettings


@click.command()
@click.option("--sandbox", is_flag=True, help="deliver to the simulator instead of Gong")
@click.option("--concurrency", type=click.IntRange(1, 256), help="threads of the worker")
def up(sandbox: bool, concurrency: int | None) -> None:
    """Queue, ledger and worker of one machine, until Ctrl-C or SIGTERM.

    With --sandbox the simulator stands in for Gong; its events are in the ledger of the data directory like
    any other, so give a sandbox a GONG_VIEWS_DATA_DIR of its own.
    """
    settings = WorkerSettings.load()
    if not sandbox and not settings.has_credentials:
        raise click.UsageError(f"no credentials: {HOW_TO_AUTHENTICATE}, or try it with --sandbox")
    done = threading.Event()

    def finish(_number: int, _frame: FrameType | None) -> None:
        done.set()

    signal.signal(signal.SIGTERM, finish)
    signal.signal(signal.SIGINT, finish)
    logs.configure()
    with usable(settings.data_dir):
        pass
    with ExitStack() as stack:
        if settings.redis_url is None:
            stack.enter_context(EmbeddedServer(settings.data_dir))
        else:
            refuse_unfit(redis_client(redis_url_of(settings)))
        migrate(settings.ledger_url)
        environment: dict[str, str] = {}
        if sandbox:
            log = settings.data_dir.resolve() / "simulator.jsonl"
            limits = {"per_second": max(1, int(settings.calls_per_second)), "per_day": settings.calls_per_day}
            address = stack.enter_context(simulator(log, limits))
            environment = {"GONG_BASE_URL": address, **SIMULATOR_CREDENTIALS}
            click.echo(f"sandbox: the simulator answers at {address}", err=True)
        arguments = ["gong_worker", "worker"]
        if concurrency is not None:
            arguments.append(f"--concurrency={concurrency}")
        worker = stack.enter_context(child(arguments, environment))
        click.echo(f"up, with its data in {settings.data_dir.resolve()}; Ctrl-C ends it", err=True)
        _until_done(done, worker)


def _until_done(done: threading.Event, worker: "subprocess.Popen[str]") -> None:
    while not done.wait(0.5):
        if worker.poll() is not None:
            raise click.ClickException(f"the worker ended with code {worker.returncode}; its log says why")
