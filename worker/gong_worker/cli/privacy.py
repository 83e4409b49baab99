"""`gong-views erase` and `subject-export`: what is kept of one person, gone or copied. `prune`: what is old, gone."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from gong_views.options import spool_at
from gong_worker.__main__ import INTERRUPTED
from gong_worker.cli.bulk import DRY_RUN_OPTION, YES_OPTION, confirmed, stopped_by_interrupt
from gong_worker.cli.filters import reason
from gong_worker.cli.gate import operator
from gong_worker.cli.output import JSON_OPTION, facts, show
from gong_worker.cli.values import age
from gong_worker.domain.person import Person
from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations.erasure import counts_of
from gong_worker.operations.erasure import erase as run_erase
from gong_worker.operations.exports import private_file
from gong_worker.operations.person_data import Places, look
from gong_worker.operations.recount import patient_ledger
from gong_worker.operations.retention import prune as run_prune
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import open_services
from gong_worker.operations.subject_export import export_subject

# Of what is pruned with its key. A message lives on for the visibility timeout after its worker died.
YOUNGEST = timedelta(days=1)
OPTIONS = (
    JSON_OPTION,
    click.option(
        "--why", callback=reason, help="for the audit, such as the number of the request; no name, no address"
    ),
    click.option(
        "--spool",
        "spools",
        multiple=True,
        type=click.Path(path_type=Path),
        help="a producer's spool; may be repeated [default: the data dir's]",
    ),
    click.option("--outbox-url", help="a backend's database with an outbox [default: GONG_VIEWS_OUTBOX_URL]"),
    click.option("--tracking-id", help="the person's trackingId, exactly"),
    click.option("--email", help="the person's address, in whatever case"),
)


def _about_a_person(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in OPTIONS:
        command = option(command)
    return command


def _person(email: str | None, tracking_id: str | None) -> Person:
    try:
        return Person(email, tracking_id)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _places(spools: tuple[Path, ...], outbox_url: str | None) -> Places:
    from gong_worker.outbox_relay import RelaySettings, open_engine

    services = open_services()
    found = [spool_at(path, services.settings.data_dir) for path in spools or (None,)]
    if outbox_url is None and RelaySettings.load().outbox_url is None:
        return Places(services, found)
    from gong_views.outbox.erase import OutboxRows

    return Places(services, found, OutboxRows(open_engine(outbox_url, "--outbox-url")))


@click.command()
@_about_a_person
@DRY_RUN_OPTION
@YES_OPTION
def erase(
    email: str | None,
    tracking_id: str | None,
    outbox_url: str | None,
    spools: tuple[Path, ...],
    why: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase one person from everything that is kept here. Exit 1 when something is left to another run.

    Events with the person that wait are not sent; of dead ones the payload goes. Keys and hashes stay, so that nothing
    is sent when it comes again. Workers go on meanwhile. It says what it cannot reach.
    """
    person = _person(email, tracking_id)
    places = _places(spools, outbox_url)
    if dry_run or not yes:
        held = look(places, person)
        if dry_run:
            shown = counts_of(held)
            show({"dry_run": True, **to_json(held)}, as_json=as_json, text=lambda: facts(shown))
            return
        question = (
            f"{held.waiting} waiting events are not sent, {held.dead_letters} dead letters, {held.spooled} spooled "
            f"events, {held.outbox or 0} outbox rows and {held.exported_lines} exported lines lose their content "
            "for good"
        )
        if not confirmed(question, DeadLetterFilter(), yes=False):
            raise SystemExit(1)
    done = run_erase(places, person, by=operator(), reason=why)

    def text() -> None:
        facts(counts_of(done))
        click.echo("\nnot reached:")
        for place in done.not_reached:
            click.echo(f"- {place}")

    show(to_json(done), as_json=as_json, text=text)
    if done.left:
        click.echo(f"{done.left} are in somebody's hand right now: run it again in a minute", err=True)
        raise SystemExit(1)


@click.command("subject-export")
@_about_a_person
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=click.Path(path_type=Path), help="a new file"
)
def subject_export(
    email: str | None,
    tracking_id: str | None,
    outbox_url: str | None,
    spools: tuple[Path, ...],
    why: str | None,
    output: Path,
    as_json: bool,
) -> None:
    """Write all that is held of one person to FILE, as JSON; the audit notes who did.

    FILE is new, and its owner alone may read it. What Gong has is asked of Gong.
    """
    person = _person(email, tracking_id)
    places = _places(spools, outbox_url)
    with private_file(output) as file:
        try:
            counts = export_subject(places, person, file, by=operator(), reason=why)
        except BaseException:
            output.unlink()  # what is not whole is nobody's copy
            raise
    show(
        {"file": str(output), **counts}, as_json=as_json, text=lambda: facts({"file": str(output), **counts})
    )


@click.command()
@click.option(
    "--older-than", required=True, metavar="AGE", callback=age, help="what ended so long ago: 400d, 56w"
)
@click.option("--keep-keys", is_flag=True, help="keep the events' rows: nothing is sent when it comes again")
@click.option("--why", callback=reason, help="for the audit")
@DRY_RUN_OPTION
@YES_OPTION
@JSON_OPTION
def prune(
    older_than: timedelta, keep_keys: bool, why: str | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Delete what ended long ago from the ledger, in small batches that block nobody.

    Attempts, duplicates and letters that nobody can replay go with their events; counts stay. Without --keep-keys an
    event that comes again after that is sent again, and Gong's 409 settles it if Gong still knows it.
    """
    if not keep_keys and older_than < YOUNGEST:
        raise click.BadParameter(
            "without --keep-keys at least 1d: a message of the event may still come back, and would be sent again",
            param_hint="'--older-than'",
        )
    if older_than < timedelta(hours=1):
        raise click.BadParameter(
            f"{older_than} is less than an hour (m is minutes; months are days or weeks)",
            param_hint="'--older-than'",
        )
    services = open_services()
    before = datetime.now(UTC) - older_than
    with patient_ledger(services) as ledger:
        if dry_run or not yes:
            events = ledger.count_old(before, keep_keys=keep_keys)
            question = f"{events} events that ended before {before:%Y-%m-%d %H:%M} UTC are pruned"
            question += ", their keys kept" if keep_keys else "; one that comes again is sent again"
            if dry_run:
                show({"dry_run": True, "events": events}, as_json=as_json, text=lambda: click.echo(question))
                return
            if not confirmed(question, DeadLetterFilter(), yes=False):
                raise SystemExit(1)
        stop = stopped_by_interrupt()
        pruned = run_prune(ledger, before, keep_keys=keep_keys, by=operator(), reason=why, stop=stop)
    show(asdict(pruned), as_json=as_json, text=lambda: facts(asdict(pruned)))
    if stop.is_set():
        click.echo("interrupted; run it again to go on", err=True)
        raise SystemExit(INTERRUPTED)
