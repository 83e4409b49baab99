"""`gong-views reconcile`: whether every message is accounted for, and whether the counters that say so are right."""

from typing import Any

import click

from gong_worker.cli.filters import reason
from gong_worker.cli.gate import operator
from gong_worker.cli.output import JSON_OPTION, cell_text, facts, show, table
from gong_worker.operations.reconcile import accept_drift
from gong_worker.operations.reconcile import reconcile as run_reconcile
from gong_worker.operations.recount import check_counters
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import open_services


@click.command()
@click.option("--deep", is_flag=True, help="first count the whole ledger anew and compare its counters")
@click.option("--repair", is_flag=True, help="with --deep: put counters right that are wrong")
@click.option(
    "--accept",
    metavar="WHY",
    callback=reason,
    help="write off the drift it finds, e.g. after a backup was restored",
)
@JSON_OPTION
def reconcile(deep: bool, repair: bool, accept: str | None, as_json: bool) -> None:
    """Check that what went in is delivered, dead or still on its way. Exit 1 on drift.

    It reads the ledger's counters. With --deep it also reads every row, and exits 1 when a counter was wrong and was
    not repaired. With --accept the drift is told once more and is none from then on; the audit keeps it, with WHY.
    """
    if repair and not deep:
        raise click.UsageError("--repair goes with --deep")
    services = open_services()
    counters = to_json(check_counters(services, repair=repair, by=operator())) if deep else None
    found = run_reconcile(services)
    data = to_json(found)
    if not found.drift:
        del data["unsettled_events"]
    accepted = accept is not None and bool(found.drift)
    if accept is not None and accepted:
        accept_drift(services, found.drift, by=operator(), reason=accept)
    shown = data | {"drift_accepted": accepted}
    if counters is not None:
        shown |= {"counters": counters}

    def text() -> None:
        if counters is not None:
            _counted(counters)
        _reconciled(data)
        if accepted:
            click.echo("\naccepted: it is no drift any more, and `gong-views audit` keeps it")

    show(shown, as_json=as_json, text=text)
    if (found.drift and not accepted) or (
        counters is not None and counters["miscounts"] and not counters["repaired"]
    ):
        raise SystemExit(1)


def _counted(counters: dict[str, Any]) -> None:
    found = counters["miscounts"]
    if not found:
        click.echo("counters: right, every row was counted anew\n")
        return
    click.echo("counters that differed from the rows (positive: too few were counted):")
    rows = (
        [one["table"], " ".join(map(cell_text, one["key"].values())), name, f"{missing:+}"]
        for one in found
        for name, missing in one["missing"].items()
    )
    table(("table", "key", "counter", "missing"), rows)
    click.echo(
        "repaired: they are right now\n"
        if counters["repaired"]
        else "put them right with `gong-views reconcile --deep --repair`; was the ledger changed by hand?\n"
    )


def _reconciled(data: dict[str, Any]) -> None:
    facts({name: value for name, value in data.items() if not isinstance(value, list)})
    if not data["drift"]:
        click.echo("\nno drift: every message is accounted for")
        return
    click.echo("\ndrift (positive: missing; negative: came out uncounted):")
    table(("lane", "day", "missing"), ([row["lane"], row["day"], row["missing"]] for row in data["drift"]))
    if data.get("unsettled_events"):
        click.echo("\nevents the ledger has taken up and not settled:")
        rows = ([row["lane"], row["day"], row["events"]] for row in data["unsettled_events"])
        table(("lane", "day", "events"), rows)
