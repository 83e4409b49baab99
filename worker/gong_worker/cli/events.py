"""`gong-views events`: search events, follow the calls live, and what happened to one event."""

import time
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import click

from gong_views.names import Lane
from gong_worker.cli.output import JSON_OPTION, UTC_OPTION, at_time, cell_text, duration, facts, show, table
from gong_worker.cli.values import moment
from gong_worker.display import json_text
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import Status
from gong_worker.ledger import AttemptFilter, AttemptLine, BadCursor, EventFilter, LedgerUnavailable
from gong_worker.operations.events import EventStory, find_events, search_events
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import open_services
from gong_worker.operations.tail import follow

POLL_SECONDS = 1.0
GREEN, YELLOW, RED = "green", "yellow", "red"
COLOURS = {
    AttemptOutcome.DELIVERED: GREEN,
    AttemptOutcome.ALREADY_REPORTED: GREEN,
    AttemptOutcome.REJECTED: RED,
    AttemptOutcome.UNAUTHORIZED: RED,
    AttemptOutcome.MISCONFIGURED: RED,
}

Option = Callable[[Any], Any]
REPORTING_SYSTEM: Option = click.option("--reporting-system", help="of the event")
CONTENT_ID: Option = click.option("--content-id", help="of the event")
SOURCE: Option = click.option("--source", help="the producer's name")
LANE: Option = click.option("--lane", type=click.Choice([lane.value for lane in Lane]))


@click.group()
def events() -> None:
    """Search events, follow the calls live, and see what happened to one event."""


@events.command("list")
@click.option("--event-id", help="in every reporting system")
@click.option("--request-id", help="Gong's id of any of its calls")
@CONTENT_ID
@REPORTING_SYSTEM
@click.option("--status", type=click.Choice([status.value for status in Status]))
@SOURCE
@LANE
@click.option(
    "--since", metavar="TIME", callback=moment, help="enqueued at or after this time, or so long ago (12h)"
)
@click.option("--until", metavar="TIME", callback=moment, help="enqueued before this time, or so long ago")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--after", help="the `next` of the page before")
@UTC_OPTION
@JSON_OPTION
def list_events(
    status: str | None,
    lane: str | None,
    limit: int,
    after: str | None,
    utc: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Events that a worker has seen, the latest enqueued first. What still waits: gong-views queue."""
    wanted = EventFilter(
        status=None if status is None else Status(status), lane=None if lane is None else Lane(lane), **given
    )
    try:
        page = search_events(open_services().ledger, wanted, limit=limit, after=after)
    except BadCursor as error:
        raise click.UsageError(f"--after: {error}") from None

    def text() -> None:
        rows = (
            (
                at_time(one.enqueued_at, utc=utc), f"{one.reporting_system}/{one.event_id}", one.status,
                one.attempt_count, one.content_id, one.source, one.lane, one.request_id,
            )
            for one in page.events
        )  # fmt: skip
        columns = ("enqueued at", "event", "status", "attempts", "content", "source", "lane", "request id")
        table(columns, rows)
        of = "" if page.total is None else f" of {page.total}"
        more = f"; the next page: --after {page.next}" if page.next is not None else ""
        click.echo(f"{len(page.events)}{of}{more}")

    show(to_json(page), as_json=as_json, text=text)


@events.command()
@REPORTING_SYSTEM
@CONTENT_ID
@SOURCE
@LANE
@click.option("--outcome", type=click.Choice([outcome.value for outcome in AttemptOutcome]))
@click.option("--since", metavar="TIME", callback=moment, help="begin then, or so long ago (10m), and go on")
@UTC_OPTION
@click.option("--json", "as_json", is_flag=True, help="print a JSON object a line")
def tail(
    lane: str | None, outcome: str | None, since: datetime | None, utc: bool, as_json: bool, **given: Any
) -> None:
    """Follow the calls of all workers live, one line each, until Ctrl-C."""
    if since is not None and since > datetime.now(UTC):
        raise click.BadParameter("it lies in the future: no call was made then", param_hint="'--since'")
    wanted = AttemptFilter(
        lane=None if lane is None else Lane(lane),
        outcome=None if outcome is None else AttemptOutcome(outcome),
        **given,
    )
    calls = follow(open_services(), wanted, since=since)
    away = False
    try:
        while True:
            try:
                found, away = calls.poll(), False
            except LedgerUnavailable as error:
                found = []
                if not away:
                    click.echo(f"Warning: {error}; nothing is missed, it goes on when it is back", err=True)
                away = True
            for line in found:
                click.echo(json_text(to_json(line)) if as_json else _line(line, utc=utc))
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return


def _line(line: AttemptLine, *, utc: bool) -> str:
    assert line.outcome is not None, "a call that has ended"
    answer = line.outcome.value + (f" {line.http_status}" if line.http_status is not None else "")
    words = [
        f"{line.reporting_system}/{line.event_id}", f"attempt {line.attempt_number}",
        None if line.duration_ms is None else f"{line.duration_ms} ms", line.lane.value, line.source,
        line.request_id, line.error,
    ]  # fmt: skip
    rest = "  ".join(cell_text(word) for word in words if word is not None)
    shown = click.style(f"{answer:<20}", fg=COLOURS.get(line.outcome, YELLOW))
    return f"{at_time(line.started_at, utc=utc)}  {shown}  {rest}"


@events.command("show")
@click.argument("event_id")
@click.option("--reporting-system", help="when several systems use the same event id")
@UTC_OPTION
@JSON_OPTION
def show_event(event_id: str, reporting_system: str | None, utc: bool, as_json: bool) -> None:
    """What happened to an event: its state, every attempt, its dead letters, and where it waits in the queue.

    Exit 1 when neither the ledger nor the queue has it.
    """
    found = find_events(open_services(), event_id, reporting_system, seconds=60.0)
    if not found:
        raise click.ClickException(
            f"no event {event_id!r} is in the ledger or in the queue: it was never enqueued, or enqueued elsewhere"
        )
    data = to_json(found[0]) if len(found) == 1 else to_json(found)
    show(data, as_json=as_json, text=lambda: _stories(found, utc=utc))


def _stories(found: list[EventStory], *, utc: bool) -> None:
    for event in found:
        _story(event, utc=utc)


def _story(event: EventStory, *, utc: bool) -> None:
    tables = ("attempts", "timeline", "queued", "queue_searched", "dead_letter_ids")
    told = {one.name: getattr(event, one.name) for one in fields(event) if one.name not in tables}
    facts({name: _cell(value, utc=utc) for name, value in told.items() if value not in (None, [])})
    if event.timeline:
        click.echo()
        rows = (
            (
                at_time(one.at, utc=utc), one.step,
                None if one.waited_seconds is None else duration(one.waited_seconds), one.attempt_number,
                one.outcome or one.resolution or one.reason, one.http_status, one.duration_ms, one.request_id,
                one.dead_letter_id, one.by or one.source, one.error,
            )
            for one in event.timeline
        )  # fmt: skip
        table(
            (
                "at",
                "step",
                "waited",
                "attempt",
                "outcome",
                "status",
                "ms",
                "request id",
                "letter",
                "by",
                "error",
            ),
            rows,
        )
    click.echo()
    for message in event.queued:
        place = f"{message.place} ({message.lane}"
        place += f", {message.ahead} ahead" if message.ahead is not None else ""
        place += f", due {at_time(message.due_at, utc=utc)}" if message.due_at is not None else ""
        click.echo(f"in the queue: {place}), message {cell_text(message.message_id)}")
    if not event.queue_searched:
        click.echo("the queue was not searched to its end: it is away, or too long")


def _cell(value: object, *, utc: bool) -> object:
    return at_time(value, utc=utc) if isinstance(value, datetime) else value
