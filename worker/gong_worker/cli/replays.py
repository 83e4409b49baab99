"""`gong-views dead-letters replay` and `edit`, and `gong-views replays`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gong_views.json_input import JsonError, read_json
from gong_views.names import Lane
from gong_worker.cli.bulk import (
    DRY_RUN_OPTION,
    SHOWN,
    confirmed,
    cost_text,
    finish,
    letter_name,
    running,
    selection_options,
    tell_changes,
    tell_invalid,
)
from gong_worker.cli.dead_letters import dead_letters
from gong_worker.cli.filters import LETTER_ID
from gong_worker.cli.output import JSON_OPTION, UTC_OPTION, at_time, cell_text, show, table
from gong_worker.domain.edits import EditError, edit_from
from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations.edited_letters import EditedLetters, read_export
from gong_worker.operations.replays import (
    Plan,
    Replacement,
    cancel_replays,
    edit_of,
    payloads_of,
    plan,
    waiting_replays,
)
from gong_worker.operations.replays import replay as run_replay
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import Services, open_services

TO_LANE = click.option(
    "--to-lane",
    type=click.Choice(["live", "bulk"]),
    default="bulk",
    show_default=True,
    help="live goes first",
)
SKIP_INVALID = click.option(
    "--skip-invalid", is_flag=True, help="replay the others when some are no valid events afterwards"
)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dead_letters.command()
@selection_options
@DRY_RUN_OPTION
@TO_LANE
@click.option(
    "--payload", "payload_file", type=FILE, help="send this JSON instead (one ID); the original is kept"
)
@click.option(
    "--from", "from_file", type=FILE, help="an edited export (JSON lines): those letters, those payloads"
)
@SKIP_INVALID
def replay(
    wanted: DeadLetterFilter,
    dry_run: bool,
    to_lane: str,
    payload_file: Path | None,
    from_file: Path | None,
    skip_invalid: bool,
    yes: bool,
    utc: bool,
    as_json: bool,
) -> None:
    """Enqueue dead letters again. Replaying twice delivers once.

    Exit 1 when one could not be replayed; with --dry-run when one could not.
    """
    if skip_invalid and from_file is None:
        raise click.UsageError("--skip-invalid goes with --from")
    replacement: Replacement | None = None
    letters = EditedLetters()
    if payload_file is not None:
        if wanted.ids is None or len(wanted.ids) != 1:
            raise click.UsageError("--payload goes with exactly one ID")
        try:
            payload = read_json(payload_file.read_bytes())
        except JsonError as error:
            raise click.UsageError(f"{payload_file} {error}") from None
        replacement = payloads_of({wanted.ids[0]: payload})
    elif from_file is not None:
        letters = read_export(from_file)
        wanted, replacement = replace(wanted, ids=tuple(letters.payloads)), payloads_of(letters.payloads)
    details = {"file": bool(from_file)} if replacement is not None else None
    _run(
        open_services(),
        wanted,
        replacement,
        details,
        to_lane,
        dry_run=dry_run,
        yes=yes,
        utc=utc,
        as_json=as_json,
        skip_invalid=skip_invalid,
        lines=letters.lines,
    )


@dead_letters.command()
@selection_options
@DRY_RUN_OPTION
@TO_LANE
@click.option(
    "--set", "assignments", multiple=True, metavar="PATH=TEXT", help="or PATH:=JSON; may be repeated"
)
@click.option("--unset", "unset", multiple=True, metavar="PATH", help="remove a field; may be repeated")
@SKIP_INVALID
def edit(
    wanted: DeadLetterFilter,
    dry_run: bool,
    to_lane: str,
    assignments: tuple[str, ...],
    unset: tuple[str, ...],
    skip_invalid: bool,
    yes: bool,
    utc: bool,
    as_json: bool,
) -> None:
    """Change fields of dead events and enqueue them: --set viewer.email=a@b.example --unset trackingId.

    All are validated first; if one is no valid event afterwards, none is enqueued. The originals are kept until
    their events are delivered or discarded. Exit 1 when one could not be replayed; with --dry-run when one could not.
    """
    if not assignments and not unset:
        raise click.UsageError("name at least one --set or --unset")
    try:
        change = edit_from(assignments, unset)
    except EditError as error:
        raise click.UsageError(str(error)) from None
    details = {"set": sorted(change.set), "unset": list(unset)}
    _run(
        open_services(), wanted, edit_of(change), details, to_lane,
        dry_run=dry_run, yes=yes, utc=utc, as_json=as_json, skip_invalid=skip_invalid,
    )  # fmt: skip


def _run(
    services: Services,
    wanted: DeadLetterFilter,
    replacement: Replacement | None,
    details: dict[str, Any] | None,
    to_lane: str,
    *,
    dry_run: bool,
    yes: bool,
    utc: bool,
    as_json: bool,
    skip_invalid: bool = False,
    lines: Mapping[int, int] = {},
) -> None:
    lane = Lane(to_lane)
    found = plan(services, wanted, lane=lane, replacement=replacement, each=dry_run)
    refused = [one for one in found.invalid if replacement is not None and not skip_invalid]
    if dry_run:
        data = {"dry_run": True, **to_json(found)}
        show(data, as_json=as_json, text=lambda: _tell_plan(found, lines, utc=utc, none_goes=bool(refused)))
        if found.invalid:
            raise SystemExit(1)
        return
    if refused:
        if as_json:
            show(
                {"done": 0, "failed": len(refused), "results": to_json(refused)},
                as_json=True,
                text=lambda: None,
            )
        for one in refused[:SHOWN]:
            click.echo(f"{letter_name(one, lines)}: {cell_text(one.error)}", err=True)
        click.echo(f"{len(refused)} cannot be replayed like this; nothing was enqueued", err=True)
        raise SystemExit(1)
    if not as_json and not yes:
        tell_changes(found.examples)
    if not confirmed(_question(found, utc=utc), wanted, yes=yes):
        raise SystemExit(1)
    with running(found.letters) as bulk:
        result = run_replay(services, wanted, bulk, lane=lane, replacement=replacement, details=details)
    finish(result, "replayed", as_json=as_json, cost=to_json(found.cost))


def _question(found: Plan, *, utc: bool) -> str:
    return f"{found.letters:,} dead letters are replayed: {cost_text(found.cost, utc=utc)}"


def _tell_plan(found: Plan, lines: Mapping[int, int], *, utc: bool, none_goes: bool) -> None:
    tell_changes(found.examples)
    if not none_goes:
        click.echo(_question(found, utc=utc))
    tell_invalid(found.invalid, lines)
    if none_goes:
        click.echo(f"{len(found.invalid)} cannot be replayed like this: nothing would be enqueued")


@click.group()
def replays() -> None:
    """Replays that wait in the queue."""


@replays.command("list")
@UTC_OPTION
@JSON_OPTION
def list_replays(utc: bool, as_json: bool) -> None:
    """The replays that no worker has taken up, the next ones first."""
    found = waiting_replays(open_services())
    data = {"total": len(found), "replays": to_json(found)}

    def text() -> None:
        rows = (
            (
                one.letter_id, f"{one.reporting_system}/{one.event_id}", one.lane, one.ahead,
                one.enqueued_at and at_time(one.enqueued_at, utc=utc),
            )
            for one in found
        )  # fmt: skip
        table(("dead letter", "event", "lane", "ahead", "since"), rows)
        click.echo(f"{len(found)} replays wait")

    show(data, as_json=as_json, text=text)


@replays.command()
@click.argument("ids", type=LETTER_ID, nargs=-1, metavar="[ID...]")
@click.option("--all", "everything", is_flag=True, help="every replay that waits")
@JSON_OPTION
def cancel(ids: tuple[int, ...], everything: bool, as_json: bool) -> None:
    """Take the replays of these dead letters off the queue; the letters are open again.

    Exit 1 when one was not there any more.
    """
    if bool(ids) == everything:
        raise click.UsageError("name the dead letters' IDs, or --all")
    with running(len(ids)) as bulk:
        result = cancel_replays(open_services(), None if everything else ids, bulk)
    finish(result, "cancelled", as_json=as_json)
