"""`gong-views check`: the preflight, and every setting with where it came from."""

from typing import Any

import click

from gong_worker.cli.output import JSON_OPTION, facts, show
from gong_worker.operations.preflight import Finding, Verdict, preflight
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import redis_client
from gong_worker.runtime import ask_gong
from gong_worker.settings_report import settings_report


@click.command()
@click.option("--call", is_flag=True, help="also ask Gong for an answer that creates nothing: costs one call")
@JSON_OPTION
def check(call: bool, as_json: bool) -> None:
    """Look at every condition for working, and show all settings (secrets masked). Exit 1 when one fails."""
    findings = preflight(redis_client, ask_gong if call else None)
    passed = all(finding.verdict is not Verdict.FAILED for finding in findings)
    settings = settings_report()
    data = {"ok": passed, "findings": to_json(findings), "settings": settings}
    show(data, as_json=as_json, text=lambda: _tell(findings, settings))
    if not passed:
        raise SystemExit(1)


def _tell(findings: list[Finding], settings: dict[str, dict[str, Any]]) -> None:
    facts({name: f"{one['value']}  ({one['origin']})" for name, one in settings.items()})
    click.echo()
    for finding in findings:
        mark = {Verdict.OK: "ok", Verdict.WARNING: "WARNING", Verdict.FAILED: "FAILED"}[finding.verdict]
        facts({f"{mark:8}{finding.name:19}": (finding.text, *([finding.mend] if finding.mend else []))})
