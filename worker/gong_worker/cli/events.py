"""`gong-views events`: what happened to one event."""

from typing import Any

import click

from gong_worker.cli.output import JSON_OPTION, facts, show, table
from gong_worker.operations.events import find_events
from gong_worker.operations.services import open_services


@click.group()
def events() -> None:
    """Look at single events."""


@events.command("show")
@click.argument("event_id")
@click.option("--reporting-system", help="when several systems use the same event id")
@JSON_OPTION
def show_event(event_id: str, reporting_system: str | None, as_json: bool) -> None:
    """State, every attempt and the requestIds of an event. Exit 1 when the ledger does not know it."""
    found = find_events(open_services(), event_id, reporting_system)
    if not found:
        raise click.ClickException(
            f"the ledger knows no event {event_id!r}: not taken up yet (see gong-views status), or never enqueued"
        )
    data = found[0] if len(found) == 1 else found
    show(data, as_json=as_json, text=lambda: _text(found))


def _text(found: list[dict[str, Any]]) -> None:
    for event in found:
        _one(event)


def _one(event: dict[str, Any]) -> None:
    facts({name: value for name, value in event.items() if name not in ("attempts", "dead_letters")})
    columns = ("attempt_number", "started_at", "duration_ms", "outcome", "http_status", "request_id", "error")
    click.echo()
    table(columns, ([attempt[column] for column in columns] for attempt in event["attempts"]))
