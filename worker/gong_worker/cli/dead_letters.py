"""`gong-views dead-letters`: look at what Gong refused, send it again, or let it go."""

from pathlib import Path
from typing import Any

import click

from gong_views.json_input import JsonError, read_json
from gong_worker.cli.gate import operator
from gong_worker.cli.output import JSON_OPTION, facts, show, table
from gong_worker.operations import dead_letters as use_cases
from gong_worker.runtime import open_services


@click.group("dead-letters")
def dead_letters() -> None:
    """Events that Gong refused for good, that spent their attempts, or that nobody could read."""


@dead_letters.command("list")
@click.option("--all", "everything", is_flag=True, help="resolved ones too")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--after", "after_id", type=int, default=0, help="only letters with a higher id")
@JSON_OPTION
def list_dead_letters(everything: bool, limit: int, after_id: int, as_json: bool) -> None:
    """The open dead letters, oldest first, without their payloads."""
    found = use_cases.list_dead_letters(
        open_services().ledger, open_only=not everything, limit=limit, after_id=after_id
    )
    columns = ("id", "created_at", "reason", "http_status", "event_id", "request_id", "resolution", "errors")
    show(
        found,
        as_json=as_json,
        text=lambda: table(columns, ([letter[c] for c in columns] for letter in found)),
    )


@dead_letters.command("show")
@click.argument("letter_id", type=int, metavar="ID")
@JSON_OPTION
def show_dead_letter(letter_id: int, as_json: bool) -> None:
    """One dead letter with everything kept of it, payload included."""
    letter = use_cases.show_dead_letter(open_services().ledger, letter_id)
    show(letter, as_json=as_json, text=lambda: facts(letter))


@dead_letters.command()
@click.argument("ids", type=int, nargs=-1, metavar="ID...")
@click.option("--all", "everything", is_flag=True, help="every open dead letter")
@click.option(
    "--payload", "payload_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="send this JSON instead (one ID); the original stays with the letter",
)  # fmt: skip
@click.option("--lane", type=click.Choice(["live", "bulk"]), default="bulk", show_default=True)
@JSON_OPTION
def replay(
    ids: tuple[int, ...], everything: bool, payload_file: Path | None, lane: str, as_json: bool
) -> None:
    """Enqueue dead letters again. Replaying twice delivers once. Exit 1 when one could not be replayed."""
    if bool(ids) == everything:
        raise click.UsageError("name the IDs to replay, or --all")
    payload = None
    if payload_file is not None:
        if len(ids) != 1:
            raise click.UsageError("--payload goes with exactly one ID")
        try:
            payload = read_json(payload_file.read_bytes())
        except JsonError as error:
            raise click.UsageError(f"{payload_file} {error}") from None
    results = use_cases.replay(
        open_services(), None if everything else list(ids), by=operator(), lane=lane, payload=payload
    )
    _finish(results, as_json)


@dead_letters.command()
@click.argument("ids", type=int, nargs=-1, required=True, metavar="ID...")
@JSON_OPTION
def discard(ids: tuple[int, ...], as_json: bool) -> None:
    """Let dead letters go: marked, their payloads deleted. Exit 1 when one could not be discarded."""
    _finish(use_cases.discard(open_services().ledger, list(ids), by=operator()), as_json)


def _finish(results: list[dict[str, Any]], as_json: bool) -> None:
    columns = ("id", "result", "event_id", "message_id", "error")
    show(
        results, as_json=as_json, text=lambda: table(columns, ([r.get(c) for c in columns] for r in results))
    )
    if any("error" in result for result in results):
        raise SystemExit(1)
