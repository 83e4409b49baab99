"""`gong-views alerts`: what stands, and whether a message gets through."""

import sys

import click

from gong_worker.cli.output import JSON_OPTION, UTC_OPTION, at_time, show, table
from gong_worker.operations.alerts import send_test, standing_alerts
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import open_services


@click.group()
def alerts() -> None:
    """Troubles that are told to GONG_VIEWS_ALERT_URLS without being asked."""


@alerts.command("list")
@UTC_OPTION
@JSON_OPTION
def list_alerts(utc: bool, as_json: bool) -> None:
    """The alerts that stand, and those whose trouble has not stood long enough to be told."""
    found = standing_alerts(open_services(ledger_may_be_away=True).client)

    def text() -> None:
        rows = ((one.key, at_time(one.since, utc=utc), one.told, one.target, one.text) for one in found)
        table(("alert", "since", "told", "target", "text"), rows)
        if not found:
            click.echo("none stands; who looks are the processes that have GONG_VIEWS_ALERT_URLS")

    show(to_json(found), as_json=as_json, text=text)


@alerts.command("test")
@JSON_OPTION
def test(as_json: bool) -> None:
    """Send a test message to every address. Exit 1 when one did not get through."""
    from gong_worker import notify
    from gong_worker.alerts_settings import AlertSettings

    settings = AlertSettings.load()
    notify.refuse_unknown(settings.addresses)
    sent = send_test(settings, notify.send)

    def text() -> None:
        table(("address", "scheme", "target", "delivered"), [
            (one.number, one.scheme, one.target, one.delivered) for one in sent
        ])  # fmt: skip

    show(to_json(sent), as_json=as_json, text=text)
    if not all(one.delivered for one in sent):
        click.echo(
            "Error: what was not delivered: its service is away, or refuses the address; Apprise tells no more",
            err=True,
        )
        sys.exit(1)
