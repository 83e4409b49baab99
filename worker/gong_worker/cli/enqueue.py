"""`gong-views enqueue`: the events of a file, or of standard input, onto the queue."""

import sys
from typing import Any

import click

from gong_views.errors import QueueUnavailable
from gong_views.names import Lane
from gong_views.queue import ViewQueue
from gong_views.settings import ProducerSettings
from gong_worker.cli.output import JSON_OPTION, show
from gong_worker.cli.progress import progress_bar
from gong_worker.intake_files.job import Job, format_of
from gong_worker.intake_files.load import Progress, load
from gong_worker.intake_files.source import FileProblem, Source, open_source

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
@JSON_OPTION
def enqueue(file: str, lane: str, wanted: str, as_json: bool) -> None:
    """Put the events of FILE (- for standard input) on the queue: JSON lines or CSV, gzipped or not.

    What is invalid goes to FILE.rejects.jsonl. An interrupted run goes on where it was; running it again is
    harmless in any case. Exit 0: all enqueued; 1: some rejected; 2: usage; 3: queue unavailable.
    """
    settings = ProducerSettings.load()
    with open_source(file) as source, ViewQueue(source=SOURCE) as queue:
        job = Job(source, format_of(source, wanted), settings)
        if job.resumed_after_line is not None:
            click.echo(f"going on after line {job.resumed_after_line}, where it was interrupted", err=True)
        code, error = _run(source, job, queue, Lane(lane))
    data: dict[str, Any] = {
        "file": file,
        "lane": lane,
        "lines": job.progress.lines,
        "enqueued": job.progress.enqueued,
        "rejected": job.progress.rejected,
        "rejects_file": str(job.rejects.path) if job.progress.rejected else None,
        "resumed_after_line": job.resumed_after_line,
        "error": error,
    }
    show(data, as_json=as_json, text=lambda: _tell(data))
    for text in filter(None, (job.warning, error)):
        click.echo(f"Error: {text}" if text == error else f"Warning: {text}", err=True)
    sys.exit(code)


def _run(source: Source, job: Job, queue: ViewQueue, lane: Lane) -> tuple[int, str | None]:
    """Load; the exit code, and what went wrong."""
    again = (
        "run it again to go on from there" if job.checkpoint is not None else "running it again is harmless"
    )
    try:
        with progress_bar(source) as advance:

            def after_batch(progress: Progress) -> None:
                job.save(progress)
                advance(progress)

            load(job.records, queue, lane, job.rejects, job.progress, after_batch=after_batch)
        queue.drain_spool()
        job.finish()
    except QueueUnavailable as error:
        return QUEUE_UNAVAILABLE, f"{error}; {_so_far(job)}; {again}"
    except FileProblem as error:
        return USAGE, f"{error}; {_so_far(job)}"
    except OSError as error:
        return USAGE, f"{error.filename or source.name}: {error.strerror}; {_so_far(job)}; {again}"
    except KeyboardInterrupt:
        return INTERRUPTED, f"interrupted; {_so_far(job)}; {again}"
    return (REJECTED if job.progress.rejected else 0), None


def _so_far(job: Job) -> str:
    return f"{job.progress.enqueued} events were enqueued, up to line {job.progress.lines}"


def _tell(data: dict[str, Any]) -> None:
    click.echo(f"{data['enqueued']} events enqueued on {data['lane']}")
    if data["rejected"]:
        click.echo(f"{data['rejected']} rejected: see {data['rejects_file']}")
