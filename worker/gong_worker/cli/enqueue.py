"""`gong-views enqueue`: the events of a file, or of standard input, onto the queue."""

import sys
from typing import Any

import click

from gong_views.embedded import redis_url_of
from gong_views.errors import QueueUnavailable
from gong_views.names import Lane
from gong_views.queue import ViewQueue
from gong_views.settings import ProducerSettings
from gong_worker.cli.output import JSON_OPTION, show
from gong_worker.cli.progress import progress_bar
from gong_worker.file_import.job import Job, format_of, read_records
from gong_worker.file_import.load import Progress, load
from gong_worker.file_import.source import FileProblem, Format, Source, open_source
from gong_worker.queue.workers import count_alive

SOURCE = "file"  # how the ledger names the producer of events that came this way
REJECTED, USAGE, QUEUE_UNAVAILABLE, INTERRUPTED = 1, 2, 3, 130


@click.command()
@click.argument("file")
@click.option(
    "--lane", type=click.Choice(["live", "bulk"]), default="live", show_default=True, help="live goes first"
)
@click.option(
    "--format",
    "wanted",
    type=click.Choice(["auto", "jsonl", "csv"]),
    default="auto",
    show_default=True,
    help="auto looks at the first line; gzip is always recognised",
)
@click.option("--dry-run", is_flag=True, help="validate and tell the cost; enqueue nothing, write nothing")
@JSON_OPTION
def enqueue(file: str, lane: str, wanted: str, dry_run: bool, as_json: bool) -> None:
    """Put the events of FILE (- for standard input) on the queue: JSON lines or CSV, gzipped or not.

    What is invalid goes to FILE.rejects.jsonl. An interrupted run goes on where it was; running it again is
    harmless in any case. Exit 0: all enqueued; 1: some rejected; 2: usage; 3: queue unavailable.
    """
    with open_source(file) as source:
        form = format_of(source, wanted)
        code = (
            _dry_run(source, form, Lane(lane), as_json)
            if dry_run
            else _enqueue(source, form, Lane(lane), as_json)
        )
    sys.exit(code)


def _enqueue(source: Source, form: Format, lane: Lane, as_json: bool) -> int:
    with ViewQueue(source=SOURCE) as queue:
        try:
            job = Job(source, form, ProducerSettings.load())
        except OSError as failure:
            raise FileProblem(f"cannot write beside {source.name}: {failure.strerror}") from None
        if job.resumed_after_line is not None:
            click.echo(f"going on after line {job.resumed_after_line}, where it was interrupted", err=True)
        code, error = _run(source, job, queue, lane)
    alive = count_alive(redis_url_of(ProducerSettings.load()))
    data: dict[str, Any] = {
        "file": source.name,
        "format": form.value,
        "lane": lane.value,
        "lines": job.progress.lines,
        "enqueued": job.progress.enqueued,
        "rejected": job.progress.rejected,
        "rejects_file": str(job.rejects.path) if job.progress.rejected else None,
        "resumed_after_line": job.resumed_after_line,
        "workers_alive": alive,
        "error": error,
    }
    show(data, as_json=as_json, text=lambda: _tell(data))
    if job.warning is not None:
        click.echo(f"Warning: {job.warning}", err=True)
    if error is not None:
        click.echo(f"Error: {error}", err=True)
    if alive == 0 and job.progress.enqueued:
        click.echo("Warning: no worker is alive; the events wait until one is started", err=True)
    return code


def _run(source: Source, job: Job, queue: ViewQueue, lane: Lane) -> tuple[int, str | None]:
    """Load; the exit code, and what went wrong."""
    try:
        with progress_bar(source) as advance:

            def after_batch(progress: Progress) -> None:
                job.save(progress)
                advance(progress)

            load(job.records, queue, lane, job.rejects, job.progress, after_batch=after_batch)
        queue.drain_spool()
        job.finish()
    except QueueUnavailable as error:
        return QUEUE_UNAVAILABLE, f"{error}; {_so_far(job)}"
    except FileProblem as error:
        return USAGE, f"{error}; {_so_far(job)}" if job.progress.enqueued else str(error)
    except OSError as error:
        return USAGE, f"{error.filename or source.name}: {error.strerror}; {_so_far(job)}"
    except KeyboardInterrupt:
        return INTERRUPTED, f"interrupted; {_so_far(job)}"
    return (REJECTED if job.progress.rejected else 0), None


def _so_far(job: Job) -> str:
    again = (
        "run it again to go on from there" if job.checkpoint is not None else "running it again is harmless"
    )
    return f"{job.progress.enqueued} events were enqueued, up to line {job.progress.lines}; {again}"


def _tell(data: dict[str, Any]) -> None:
    click.echo(f"{data['enqueued']} events enqueued on {data['lane']}")
    if data["rejected"]:
        click.echo(f"{data['rejected']} rejected: see {data['rejects_file']}")


def _dry_run(source: Source, form: Format, lane: Lane, as_json: bool) -> int:
    """Reckon by the limits in force and behind what waits; without queue and ledger by this environment's limits."""
    from gong_worker.cli.bulk import cost_text
    from gong_worker.file_import.estimate import estimate, seconds_needed
    from gong_worker.operations.cost import cost_if_known
    from gong_worker.operations.serialize import to_json
    from gong_worker.settings import WorkerSettings

    settings = WorkerSettings.load()
    found = estimate(read_records(source, form, Progress()))
    cost = cost_if_known(found.calls, lane)
    per_day = settings.calls_per_day - settings.day_reserve
    seconds = seconds_needed(found.calls, per_second=settings.idle_rate(lane), per_day=per_day)
    data: dict[str, Any] = {
        "file": source.name,
        "format": form.value,
        "dry_run": True,
        "lines": found.lines,
        "events": found.events,
        "rejected": found.rejected,
        "calls": found.calls,
        "calls_exact": found.calls_exact,
        "calls_per_day": per_day,
        "seconds": round(seconds, 1),
        "days": round(seconds / 86_400, 3),
        "cost": to_json(cost),
        "first_rejects": [{"line": record.line, "errors": record.errors} for record in found.first_rejects],
    }
    show(data, as_json=as_json, text=lambda: _tell_cost(data, cost_text(cost, utc=True) if cost else None))
    return REJECTED if found.rejected else 0


def _tell_cost(data: dict[str, Any], cost: str | None) -> None:
    about = "" if data["calls_exact"] else "at most "
    click.echo(
        f"{data['events']} valid events, {data['rejected']} invalid: {about}{data['calls']} calls to Gong"
    )
    idle = (
        f"at {data['calls_per_day']} calls a day: {data['days']:.2f} days, after what the queue already holds"
    )
    click.echo(f"{cost}; {data['cost']['backlog']} events wait before it" if cost else idle)
    for reject in data["first_rejects"]:
        for error in reject["errors"]:
            click.echo(f"line {reject['line']}: {error['field']} {error['message']}", err=True)
