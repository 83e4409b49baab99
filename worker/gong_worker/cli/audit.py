"""`gong-views audit`: who did what, when and why."""

import click

from gong_worker.cli.output import JSON_OPTION, UTC_OPTION, at_time, show, table
from gong_worker.domain.audit import AuditAction
from gong_worker.domain.ids import MAX_ID
from gong_worker.operations.audit import list_actions
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import open_services


@click.command()
@click.option("--action", type=click.Choice([action.value for action in AuditAction]))
@click.option("--by", help="only what this user did")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--before", "before_id", type=click.IntRange(1, MAX_ID), help="the `next` of the page before")
@UTC_OPTION
@JSON_OPTION
def audit(
    action: str | None, by: str | None, limit: int, before_id: int | None, utc: bool, as_json: bool
) -> None:
    """Every change an operator made and every payload somebody saw, the latest first."""
    kind = None if action is None else AuditAction(action)
    page = list_actions(open_services().ledger, limit=limit, before_id=before_id, action=kind, by=by)

    def text() -> None:
        rows = (
            (
                one.id,
                at_time(one.at, utc=utc),
                one.by,
                one.action,
                one.count,
                one.target,
                one.reason,
                one.details,
            )
            for one in page.entries
        )
        table(("id", "at", "by", "action", "count", "target", "why", "details"), rows)
        more = f"; the next page: --before {page.next}" if page.next is not None else ""
        click.echo(f"{len(page.entries)} of {page.total}{more}")

    show(to_json(page), as_json=as_json, text=text)
