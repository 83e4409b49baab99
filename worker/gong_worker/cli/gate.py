"""Commands on the gate: stop and go on by hand, and the company's limits."""

import getpass
import sys
from collections.abc import Callable
from typing import Any

import click

from gong_worker.cli.filters import reason as given_reason
from gong_worker.cli.output import JSON_OPTION, UTC_OPTION, facts, show, table
from gong_worker.cli.status_text import hold_lines
from gong_worker.cli.values import Number
from gong_worker.domain.parts import Part, PartKind
from gong_worker.gate.settings import LIMITS
from gong_worker.operations import gate as use_cases
from gong_worker.operations.gate import GateChange
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import open_services

Command = Callable[..., Any]


def _part_options(command: Command) -> Command:
    for name, what in (("--content-id", "one content"), ("--reporting-system", "one reporting system")):
        command = click.option(name, help=f"only the events of {what}")(command)
    return command


def _part(reporting_system: str | None, content_id: str | None) -> Part | None:
    if reporting_system is not None and content_id is not None:
        raise click.UsageError("--reporting-system and --content-id exclude each other")
    try:
        if reporting_system is not None:
            return Part.given(PartKind.REPORTING_SYSTEM, reporting_system)
        return None if content_id is None else Part.given(PartKind.CONTENT_ID, content_id)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@click.command()
@click.option("--reason", required=True, callback=given_reason, help="why; shown in status to everyone")
@click.option(
    "--for", "minutes", type=click.FloatRange(min=0, min_open=True), help="minutes; default: until released"
)
@_part_options
@UTC_OPTION
@JSON_OPTION
def hold(
    reason: str,
    minutes: float | None,
    reporting_system: str | None,
    content_id: str | None,
    utc: bool,
    as_json: bool,
) -> None:
    """Stop every worker before its next call, until `gong-views release`.

    With --reporting-system or --content-id only the events of that part stop: they are set aside, in nobody's way.
    """
    part = _part(reporting_system, content_id)
    services = open_services(ledger_may_be_away=True)
    seconds = None if minutes is None else minutes * 60
    try:
        change = use_cases.hold(services, reason, by=operator(), for_seconds=seconds, part=part)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    _tell(change, utc=utc, as_json=as_json)


@click.command()
@click.option("--even-retry-after", is_flag=True, help="also a Retry-After, e.g. of a proxy that is not Gong")
@_part_options
@UTC_OPTION
@JSON_OPTION
def release(
    even_retry_after: bool,
    reporting_system: str | None,
    content_id: str | None,
    utc: bool,
    as_json: bool,
) -> None:
    """End a hold: the operator's, or one for refused credentials, a wrong address, rejections or the breaker.

    A Retry-After is Gong's and stands unless --even-retry-after is given; the day's quota always stands. A hold that
    an operator put on a part ends with --reporting-system or --content-id.
    """
    part = _part(reporting_system, content_id)
    if part is not None and even_retry_after:
        raise click.UsageError("--even-retry-after is of the whole company, not of a part")
    services = open_services(ledger_may_be_away=True)
    change = use_cases.release(services, by=operator(), even_retry_after=even_retry_after, part=part)
    _tell(change, utc=utc, as_json=as_json)


@click.command()
@_part_options
@click.option("--why", "reason", required=True, callback=given_reason, help="for the audit")
@click.option("--yes", is_flag=True, help="do not ask")
@UTC_OPTION
@JSON_OPTION
def drop(
    reporting_system: str | None, content_id: str | None, reason: str, yes: bool, utc: bool, as_json: bool
) -> None:
    """Make dead letters of what is set aside of a held part; each can still be replayed."""
    part = _part(reporting_system, content_id)
    if part is None:
        raise click.UsageError("name the part: --reporting-system or --content-id")
    services = open_services(ledger_may_be_away=True)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("add --yes to do it")
        click.confirm(f"Make dead letters of what is set aside of {part}?", abort=True)
    try:
        change = use_cases.drop(services, part, reason, by=operator())
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    _tell(change, utc=utc, as_json=as_json)


@click.group(invoke_without_command=True)
@JSON_OPTION
@click.pass_context
def limits(context: click.Context, as_json: bool) -> None:
    """The company's limits, as all workers see them, and where each comes from."""
    if context.invoked_subcommand is not None:
        return
    found = use_cases.limits(open_services(ledger_may_be_away=True))
    show(
        {"limits": to_json(found)},
        as_json=as_json,
        text=lambda: table(
            ("limit", "value", "from", "by"),
            ([one.name, f"{one.value:g}", one.origin.value, one.by] for one in found),
        ),
    )


@limits.command("set")
@click.option("--calls-per-second", type=Number(min=0, min_open=True))
@click.option("--calls-per-day", type=click.IntRange(min=1))
@click.option("--day-reserve", type=click.IntRange(min=0), help="calls a day left to other integrations")
@click.option("--reserve-per-second", type=click.IntRange(min=0), help="whole calls a second left to them")
@click.option(
    "--bulk-reserve-per-second", type=click.IntRange(min=0), help="the same, by backfills and replays"
)
@UTC_OPTION
@JSON_OPTION
def set_limits(utc: bool, as_json: bool, **given: float | int | None) -> None:
    """Change limits at once for all workers. They stand over restarts, until `limits unset`."""
    if all(value is None for value in given.values()):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in LIMITS)
        raise click.UsageError(f"name at least one of {names}")
    try:
        change = use_cases.set_limits(open_services(ledger_may_be_away=True), by=operator(), **given)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    _tell(change, utc=utc, as_json=as_json)


@limits.command("unset")
@click.argument("names", nargs=-1, type=click.Choice(LIMITS), metavar="[NAME]...")
@UTC_OPTION
@JSON_OPTION
def unset_limits(names: tuple[str, ...], utc: bool, as_json: bool) -> None:
    """Take back what was set, all of it without a NAME: the latest started worker's environment counts again."""
    change = use_cases.unset_limits(open_services(ledger_may_be_away=True), by=operator(), names=names)
    _tell(change, utc=utc, as_json=as_json)


def operator() -> str:
    """Who gives the command, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _tell(change: GateChange, *, utc: bool, as_json: bool) -> None:
    data = {"changed": change.changed, **to_json(change.gate), "audit_error": change.audit_error}
    lines = {"done": change.changed, "gate": hold_lines(change.gate, utc=utc)}
    show(data, as_json=as_json, text=lambda: facts(lines))
    if change.audit_error is not None:
        click.echo(f"Warning: not in the audit: {change.audit_error}", err=True)
