"""What the commands on many dead letters share: the selection, the question, the progress, the end."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any

import click

from gong_worker.__main__ import INTERRUPTED
from gong_worker.cli.filters import LETTER_ID, filter_options
from gong_worker.cli.gate import operator
from gong_worker.cli.output import JSON_OPTION, UTC_OPTION, at_time, cell_text, show, table
from gong_worker.domain.edits import Change
from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations.cost import Cost
from gong_worker.operations.dead_letters import Bulk, BulkResult, Result
from gong_worker.operations.serialize import to_json

DRY_RUN_OPTION = click.option("--dry-run", is_flag=True, help="count and reckon only")
YES_OPTION = click.option("--yes", is_flag=True, help="do not ask")
# So many results are shown one by one to people.
SHOWN = 20


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """IDs, or a filter, or --all, which the command gets as `wanted`; and --yes, --utc, --json.

    A command with `--from` may have that instead.
    """

    @wraps(command)
    def call(ids: tuple[int, ...], everything: bool, wanted: DeadLetterFilter, **given: Any) -> Any:
        filtered = wanted != DeadLetterFilter()
        if bool(ids) + filtered + everything + (given.get("from_file") is not None) != 1:
            raise click.UsageError("name the IDs, or a filter such as --group or --reason, or --all")
        return command(wanted=replace(wanted, ids=ids) if ids else wanted, **given)

    decorated: Callable[..., Any] = call
    for option in (
        JSON_OPTION,
        UTC_OPTION,
        YES_OPTION,
        filter_options,
        click.option("--all", "everything", is_flag=True, help="every open dead letter"),
        click.argument("ids", type=LETTER_ID, nargs=-1, metavar="[ID...]"),
    ):
        decorated = option(decorated)
    return decorated


def confirmed(question: str, wanted: DeadLetterFilter, *, yes: bool) -> bool:
    """Whether to go on: letters named one by one need no question; without a terminal --yes is needed."""
    if yes or wanted.ids is not None:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question}: add --yes to do it, or --dry-run to look only")
    return click.confirm(f"{question}. Go on?", err=True)


def cost_text(cost: Cost, *, utc: bool) -> str:
    """Calls, what is left of the day, and when it is done."""
    text = f"{cost.calls:,} calls of {cost.left_today:,} left today"
    if cost.done_at is None:
        return f"{text}, done at an unknown time ({cost.why})"
    text += f", done by {at_time(cost.done_at, utc=utc)} ({cost.why})"
    return f"{text}, but not now: {cost.blocked}" if cost.blocked else text


def stopped_by_interrupt() -> threading.Event:
    """What Ctrl-C sets until the command has ended, its result shown."""
    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    click.get_current_context().call_on_close(lambda: signal.signal(signal.SIGINT, before))
    return stop


@contextmanager
def running(total: int) -> Iterator[Bulk]:
    """The action with a progress bar on a terminal; Ctrl-C ends it after the page at hand."""
    stop = stopped_by_interrupt()
    if not sys.stderr.isatty():
        yield Bulk(operator(), stop=stop)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("dead letters", total=total)
        yield Bulk(operator(), progress=lambda done: bar.update(task, completed=done), stop=stop)


def finish(result: BulkResult, verb: str, *, as_json: bool, **more: Any) -> None:
    """Show the result; exit 1 when one could not be done, 130 when it was interrupted."""
    data = {**more, **to_json(result)}
    show(data, as_json=as_json, text=lambda: tell(result, verb))
    if result.interrupted:
        click.echo("interrupted; run it again to go on", err=True)
        raise SystemExit(INTERRUPTED)
    if result.failed:
        raise SystemExit(1)


def tell(result: BulkResult, verb: str) -> None:
    """The result for people: the number, and what was not done, or everything if it is little."""
    click.echo(f"{result.done} {verb}" + (f", {result.failed} not" if result.failed else ""))
    told = [one for one in result.results if one.error is not None or len(result.results) <= SHOWN]
    columns = ("id", "result", "event_id", "message_id", "error")
    if told:
        table(columns, ([getattr(one, column) for column in columns] for one in told[:SHOWN]))
    if len(told) > SHOWN:
        click.echo(f"… and {len(told) - SHOWN} more; --json has all")


def tell_changes(examples: list[Result]) -> None:
    """What an edit changes, letter by letter."""
    for one in examples:
        click.echo(f"dead letter {one.id}, event {one.event_id}:")
        table(("field", "before", "after"), (_change(change) for change in one.changes))


def tell_invalid(invalid: list[Result], lines: Mapping[int, int] = {}) -> None:
    """The letters with which nothing could be done, and why. `lines`: where each stands in its file."""
    for one in invalid[:SHOWN]:
        click.echo(f"{letter_name(one, lines)} cannot be: {cell_text(one.error)}")
    if len(invalid) > SHOWN:
        click.echo(f"… and {len(invalid) - SHOWN} more; --json has all")


def letter_name(one: Result, lines: Mapping[int, int]) -> str:
    """A letter, and the line on which it stands if it comes from a file."""
    return f"line {lines[one.id]}, dead letter {one.id}" if one.id in lines else f"dead letter {one.id}"


def _change(change: Change) -> tuple[object, object, object]:
    return (
        change.path,
        "(absent)" if change.before is None else change.before,
        "(absent)" if change.after is None else change.after,
    )
