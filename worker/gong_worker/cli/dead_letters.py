"""`gong-views dead-letters`: what Gong refused; look at it, send it again, or let it go."""

import sys
from dataclasses import replace
from pathlib import Path

import click

from gong_worker.cli.bulk import DRY_RUN_OPTION, confirmed, finish, running, selection_options, tell_invalid
from gong_worker.cli.filters import LETTER_ID, filter_options, reason
from gong_worker.cli.gate import operator
from gong_worker.cli.output import JSON_OPTION, UTC_OPTION, at_time, facts, show, table
from gong_worker.domain.ids import MAX_ID
from gong_worker.domain.states import DeadLetterState
from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations import dead_letters as use_cases
from gong_worker.operations.exports import ExportFormat, export, private_file
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import open_services


@click.group("dead-letters")
def dead_letters() -> None:
    """Events that Gong refused for good, that spent their attempts, or that nobody could read."""


@dead_letters.command("list")
@filter_options
@click.option("--all", "everything", is_flag=True, help="resolved ones too: --state all")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option(
    "--after", "after_id", type=click.IntRange(0, MAX_ID), default=0, help="the `next` of the page before"
)
@UTC_OPTION
@JSON_OPTION
def list_dead_letters(
    wanted: DeadLetterFilter, everything: bool, limit: int, after_id: int, utc: bool, as_json: bool
) -> None:
    """Dead letters, oldest first, without their payloads."""
    if everything:
        wanted = replace(wanted, state=DeadLetterState.ALL)
    page = use_cases.list_dead_letters(open_services().ledger, wanted, limit=limit, after_id=after_id)

    def text() -> None:
        rows = (
            (
                one.id, at_time(one.created_at, utc=utc), one.reason, one.http_status, one.group,
                f"{one.reporting_system}/{one.event_id}" if one.event_id else None, one.resolution, one.errors,
            )
            for one in page.dead_letters
        )  # fmt: skip
        table(("id", "died at", "reason", "status", "group", "event", "resolution", "errors"), rows)
        more = f"; the next page: --after {page.next}" if page.next is not None else ""
        of = "" if page.total is None else f" of {page.total}"
        click.echo(f"{len(page.dead_letters)}{of}{more}")

    show(to_json(page), as_json=as_json, text=text)


@dead_letters.command()
@filter_options
@UTC_OPTION
@JSON_OPTION
def groups(wanted: DeadLetterFilter, utc: bool, as_json: bool) -> None:
    """Dead letters that failed alike: Gong's words without ids and values, the largest group first."""
    found = use_cases.group_dead_letters(open_services().ledger, wanted)

    def text() -> None:
        rows = (
            (
                one.group, one.count, one.reason, one.http_status, one.error_kind,
                at_time(one.first_at, utc=utc), at_time(one.last_at, utc=utc), one.example_id,
            )
            for one in found.groups
        )  # fmt: skip
        table(("group", "count", "reason", "status", "what Gong said", "first", "last", "example"), rows)
        click.echo(f"{found.total} dead letters in {len(found.groups)} groups")

    show(to_json(found), as_json=as_json, text=text)


@dead_letters.command("show")
@click.argument("letter_id", type=LETTER_ID, metavar="ID")
@JSON_OPTION
def show_dead_letter(letter_id: int, as_json: bool) -> None:
    """One dead letter with everything kept of it, payload included; the audit notes who looked."""
    letter = to_json(use_cases.show_dead_letter(open_services().ledger, letter_id, by=operator()))
    show(letter, as_json=as_json, text=lambda: facts(letter))


@dead_letters.command()
@selection_options
@DRY_RUN_OPTION
@click.option("--why", callback=reason, help="for the audit; needed for a filter")
def discard(
    wanted: DeadLetterFilter, dry_run: bool, why: str | None, yes: bool, utc: bool, as_json: bool
) -> None:
    """Let dead letters go: marked, their payloads and Gong's words deleted.

    Exit 1 when one could not be; with --dry-run when one could not.
    """
    ledger = open_services().ledger
    letters, events, _ = ledger.count_dead_letters(wanted)
    question = f"{letters} dead letters of {events} events are discarded, their payloads deleted for good"
    if dry_run:
        invalid = use_cases.not_discardable(ledger, wanted)
        data = {"dry_run": True, "letters": letters, "events": events, "invalid": to_json(invalid)}

        def text() -> None:
            click.echo(question)
            tell_invalid(invalid)

        show(data, as_json=as_json, text=text)
        if invalid:
            raise SystemExit(1)
        return
    if wanted.ids is None and why is None:
        raise click.UsageError("say why, for the audit: --why TEXT")
    if not confirmed(question, wanted, yes=yes):
        raise SystemExit(1)
    with running(letters) as bulk:
        result = use_cases.discard(ledger, wanted, bulk, reason=why)
    finish(result, "discarded", as_json=as_json)


@dead_letters.command("export")
@selection_options
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="a new file, readable by its owner only; - for stdout",
)
def export_letters(
    wanted: DeadLetterFilter, form: str, output: str, yes: bool, utc: bool, as_json: bool
) -> None:
    """Write dead letters with their payloads: JSON lines, to be edited for `replay --from`, or CSV.

    The file holds people's names and addresses; the audit notes who made it.
    """
    ledger = open_services().ledger
    with running(ledger.count_dead_letters(wanted)[0]) as bulk:
        if output == "-":
            export(ledger, wanted, bulk, sys.stdout, ExportFormat(form))
            return
        with private_file(Path(output)) as file:
            result = export(ledger, wanted, bulk, file, ExportFormat(form), file=Path(output))
    finish(result, f"written to {output}", as_json=as_json, file=output)
