"""`gong-views queue`: what waits."""

import click

from gong_views.names import Lane
from gong_worker.cli.output import JSON_OPTION, UTC_OPTION, at_time, duration, show, table
from gong_worker.operations.queue import WaitingMessage, find, peek
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import open_services


@click.group()
def queue() -> None:
    """Look at what waits in the queue, without touching it."""


@queue.command("peek")
@click.option(
    "--place", type=click.Choice(["live", "bulk", "delayed"]), default="live", show_default=True,
    help="a lane, or what waits for another try",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@UTC_OPTION
@JSON_OPTION
def peek_queue(place: str, limit: int, utc: bool, as_json: bool) -> None:
    """The next messages, in the order in which they are taken, without their payloads."""
    found = peek(
        open_services(ledger_may_be_away=True).client,
        None if place == "delayed" else Lane(place),
        limit=limit,
    )
    show(to_json(found), as_json=as_json, text=lambda: _table(found, utc=utc))


@queue.command("find")
@click.argument("event_id")
@click.option("--reporting-system", help="when several systems use the same event id")
@UTC_OPTION
@JSON_OPTION
def find_event(event_id: str, reporting_system: str | None, utc: bool, as_json: bool) -> None:
    """Where an event's messages are: in a lane, delayed, or in a worker's hand. Exit 1 when there is none."""
    found, _ = find(open_services(ledger_may_be_away=True).client, event_id, reporting_system)
    show(to_json(found), as_json=as_json, text=lambda: _table(found, utc=utc))
    if not found:
        raise click.ClickException(
            f"no message of event {event_id!r} is in the queue; see gong-views events show"
        )


def _table(found: list[WaitingMessage], *, utc: bool) -> None:
    rows = (
        (
            one.place, one.lane, one.ahead, f"{one.reporting_system}/{one.event_id}" if one.readable else "unreadable",
            one.content_id, one.source, None if one.age_seconds is None else duration(one.age_seconds),
            one.due_at and at_time(one.due_at, utc=utc), one.replay_of,
        )
        for one in found
    )  # fmt: skip
    table(("place", "lane", "ahead", "event", "content", "source", "age", "due", "replay of"), rows)
