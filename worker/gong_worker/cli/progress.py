"""A progress bar on standard error, if that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gong_worker.file_import.load import Progress as Loaded
from gong_worker.file_import.source import Source


@contextmanager
def progress_bar(source: Source) -> Iterator[Callable[[Loaded], None]]:
    """Shows how far `source` is read, events enqueued and rejected; call what it gives after each batch."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        TextColumn("{task.fields[enqueued]} enqueued, {task.fields[rejected]} rejected"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("enqueue", total=source.size, enqueued=0, rejected=0)

        def advance(loaded: Loaded) -> None:
            done = source.position if source.size is not None else 0
            bar.update(task, completed=done, enqueued=loaded.enqueued, rejected=loaded.rejected)

        yield advance
