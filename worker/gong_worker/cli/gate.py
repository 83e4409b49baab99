"""Commands on the gate: stop and go on by hand, and the company's limits."""

import getpass

import click

from gong_worker.cli.output import JSON_OPTION, facts, show
from gong_worker.operations.status import gate_facts
from gong_worker.runtime import open_gate


@click.command()
@click.option("--reason", required=True, help="why; shown in status to everyone")
@click.option(
    "--for", "minutes", type=click.FloatRange(min=0, min_open=True), help="minutes; default: until released"
)
@JSON_OPTION
def hold(reason: str, minutes: float | None, as_json: bool) -> None:
    """Stop every worker before its next call, until `gong-views release`."""
    gate = open_gate()
    gate.hold(reason, operator(), for_seconds=None if minutes is None else minutes * 60)
    data = gate_facts(gate.status())
    show(data, as_json=as_json, text=lambda: facts(data))


@click.command()
@JSON_OPTION
def release(as_json: bool) -> None:
    """End a hold: the operator's, or one for refused credentials, a wrong address, rejections or the breaker."""
    gate = open_gate()
    gate.release(operator())
    data = gate_facts(gate.status())
    show(data, as_json=as_json, text=lambda: facts(data))


@click.group()
def limits() -> None:
    """The company's limits, as all workers see them."""


@limits.command("set")
@click.option("--calls-per-second", type=click.FloatRange(min=0, min_open=True))
@click.option("--calls-per-day", type=click.IntRange(min=1))
@click.option("--day-reserve", type=click.IntRange(min=0))
@JSON_OPTION
def set_limits(
    calls_per_second: float | None, calls_per_day: int | None, day_reserve: int | None, as_json: bool
) -> None:
    """Change limits at once for all running workers; a restarted worker keeps them until its settings change."""
    if calls_per_second is None and calls_per_day is None and day_reserve is None:
        raise click.UsageError("name at least one of --calls-per-second, --calls-per-day, --day-reserve")
    gate = open_gate()
    try:
        gate.set_limits(
            calls_per_second=calls_per_second, calls_per_day=calls_per_day, day_reserve=day_reserve
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    data = gate_facts(gate.status())
    show(data, as_json=as_json, text=lambda: facts(data))


def operator() -> str:
    """Who gives the command, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
