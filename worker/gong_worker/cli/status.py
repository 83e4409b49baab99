"""`gong-views status` and `gong-views reconcile`."""

from typing import Any

import click

from gong_worker.cli.output import JSON_OPTION, facts, show, table
from gong_worker.operations.reconcile import reconcile as run_reconcile
from gong_worker.operations.status import status as read_status
from gong_worker.runtime import open_services


@click.command()
@JSON_OPTION
def status(as_json: bool) -> None:
    """What is going on, why, and until when."""
    data = read_status(open_services(ledger_may_be_away=True))
    show(data, as_json=as_json, text=lambda: facts(_lines(data)))


def _lines(data: dict[str, Any]) -> dict[str, object]:
    gate, calls, drain, queue, ledger = (data[name] for name in ("gate", "calls", "drain", "queue", "ledger"))
    held = f"held: {gate['reason']}, until {gate['until'] or 'released'}"
    probe = gate["probe"]
    return {
        "gate": "open" if gate["state"] == "open" else held + (f" ({gate['note']})" if gate["note"] else ""),
        **({"probe": _probe(probe)} if probe else {}),
        "calls": f"{calls['last_24h']} of {calls['per_day_cap']} in 24 h (limit {calls['per_day_limit']}), "
        f"{calls['current_rate']:g} of {calls['per_second_limit']:g} per second",
        "queue": ", ".join(f"{count} {name}" for name, count in queue.items()),
        "ledger": ledger.get("error") or ", ".join(f"{count} {name}" for name, count in ledger.items()),
        "dead letters": "unknown" if "error" in ledger else f"{data['dead_letters']['open']} open",
        "drained": f"{drain['events']} events, by {drain['at']}"
        if drain["at"]
        else f"{drain['events']} events, when released",
    }


def _probe(probe: dict[str, Any]) -> str:
    event = f"{probe['reporting_system']}/{probe['event_id']}"
    if probe["out"]:
        return f"event {event} is under way"
    return f"event {event} was answered {probe['answer']} at {probe['answered_at']}"


@click.command()
@JSON_OPTION
def reconcile(as_json: bool) -> None:
    """Check that what went in is delivered, dead or still on its way. Exit 1 on drift."""
    data = run_reconcile(open_services())
    show(data, as_json=as_json, text=lambda: _reconciled(data))
    if data["drift"]:
        raise SystemExit(1)


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
