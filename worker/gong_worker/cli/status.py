"""`gong-views status`."""

import gc
import sys

import click

from gong_worker.cli.output import JSON_OPTION, UTC_OPTION, facts, show
from gong_worker.cli.values import Number

SERVER_AWAY = 3


@click.command()
@click.option("--check", is_flag=True, help="one line, and an exit code for monitoring")
@click.option(
    "--max-backlog-age", type=Number(min=0), metavar="SECONDS",
    help="with --check: alert when the oldest event has waited longer",
)  # fmt: skip
@click.option(
    "--max-dead", type=click.IntRange(min=0), metavar="N",
    help="with --check: alert when more dead letters are open",
)  # fmt: skip
@click.option("--watch", is_flag=True, help="on the whole screen, again and again, until q or Ctrl-C")
@click.option(
    "--interval", type=Number(min=0.5), default=2.0, show_default=True, metavar="SECONDS",
    help="with --watch: between two looks",
)  # fmt: skip
@UTC_OPTION
@JSON_OPTION
def status(
    check: bool,
    max_backlog_age: float | None,
    max_dead: int | None,
    watch: bool,
    interval: float,
    utc: bool,
    as_json: bool,
) -> None:
    """What is going on, why, and until when.

    Exit code: 3 when the queue is away or refuses writes. With --check: 0 fine, 1 a threshold or a hold,
    3 queue, its writes or the ledger away, 4 no worker alive.
    """
    if not check and (max_backlog_age is not None or max_dead is not None):
        raise click.UsageError("--max-backlog-age and --max-dead go with --check")
    # Here, so that --help need not wait for them.
    from gong_worker.cli.status_text import status_lines
    from gong_worker.domain.holds import GateState
    from gong_worker.operations.monitoring import check as check_status
    from gong_worker.operations.serialize import to_json
    from gong_worker.operations.services import open_services
    from gong_worker.operations.status import status as read_status

    if watch:
        if check or as_json or not sys.stdout.isatty():
            raise click.UsageError("--watch is for a terminal, without --check and --json")
        from gong_worker.cli.watch import watch as run_watch  # its parts are not needed for one look

        run_watch(lambda found: status_lines(found, utc=utc), interval_seconds=interval, utc=utc)
        return
    services = open_services(ledger_may_be_away=True)
    found = read_status(services)
    services.close()
    # Nothing is open any more, and the look for garbage at a process's end goes over all that it has imported: it would
    # take a sixth of this command.
    gc.freeze()
    data = to_json(found) if as_json else {}
    if check:
        result = check_status(found, max_backlog_age_seconds=max_backlog_age, max_dead_letters=max_dead)
        data["check"] = {"code": int(result.code), "problems": result.problems}
        verdict = f"{result.code.name}: {'; '.join(result.problems)}" if result.problems else result.code.name
        show(data, as_json=as_json, text=lambda: click.echo(verdict))
        raise SystemExit(int(result.code))
    show(data, as_json=as_json, text=lambda: facts(status_lines(found, utc=utc)))
    if found.gate.state is GateState.UNAVAILABLE:
        click.echo(f"Error: {found.gate.note}", err=True)
        raise SystemExit(SERVER_AWAY)
