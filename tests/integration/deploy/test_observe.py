"""Dashboards and alerts of the profile `observe`: each question asks for what there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from gong_worker.domain.holds import HoldReason
from gong_worker.ledger import migrate
from tests.support.roles import ledger_roles
from tests.support.servers import Postgres

ROOT = Path(__file__).parents[3]
DASHBOARDS = [
    json.loads(path.read_text()) for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
]
RULES = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
DOCUMENTED = set(re.findall(r"^\| `(gong_views_\w+)`", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))


def targets(key: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Each panel's questions in one language."""
    for board in DASHBOARDS:
        for panel in board["panels"]:
            yield from ((panel, target[key]) for target in panel["targets"] if key in target)


def test_every_metric_that_is_asked_for_is_served() -> None:
    """No panel and no alert waits for a metric that nobody serves, nor for a hold that there is none of."""
    asked = [text for _, text in targets("expr")] + [rule["expr"] for rule in RULES]
    assert len(asked) > 20
    for text in asked:
        for name in re.findall(r"gong_views_\w+", text):
            base = name.removesuffix("_bucket")
            assert {base, f"{base}_info", base.removesuffix("_info") + "_info"} & DOCUMENTED, name
        for values in re.findall(r'reason!?[=~]+"([^"]*)"', text):
            assert set(values.split("|")) <= {reason.value for reason in HoldReason}


def test_every_question_to_the_ledger_is_answered_to_the_dashboards(postgres_server: Postgres) -> None:
    """Each panel's SQL runs as the role `gong_views_dashboards`, with Grafana's macros as Grafana replaces them."""
    with ledger_roles(postgres_server) as roles:
        migrate(roles.url("owner"))
        engine = sa.create_engine(roles.url("dashboards"))
        moments = {"$__timeFrom()": "TIMESTAMPTZ '2026-01-01'", "$__timeTo()": "TIMESTAMPTZ '2026-02-01'"}
        asked = list(targets("rawSql"))
        assert asked
        with engine.connect() as connection:
            for panel, text in asked:
                assert panel["datasource"]["uid"] == "gong-views-ledger"
                text = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN $__timeFrom() AND $__timeTo()", text)
                for macro, value in moments.items():
                    text = text.replace(macro, value)
                columns = connection.execute(sa.text(text)).keys()
                assert set(columns) & {"time", "day"}
        engine.dispose()


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board["uid"])
def test_each_panel_asks_a_source_that_is_provisioned(board: dict[str, Any]) -> None:
    """Dashboards name data sources by the ids that Grafana is provisioned with; panels have numbers of their own."""
    file = ROOT / "deploy/grafana/provisioning/datasources/gong-views.yml"
    known = {source["uid"] for source in yaml.safe_load(file.read_text())["datasources"]}
    assert {panel["datasource"]["uid"] for panel in board["panels"]} <= known
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
