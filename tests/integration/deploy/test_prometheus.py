"""The board on the metrics and the alerts, asked of a real Prometheus that scrapes a real `serve`."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from gong_views.names import Lane
from gong_worker.ledger import migrate
from tests.integration.deploy.scraped import KEY, scraping
from tests.support import boards
from tests.support.pipeline import Pipeline
from tests.support.prometheus import FOLDER, NEEDS_PROMETHEUS, Prometheus
from tests.support.servers import valkey, wait_until
from tests.support.simulator import simulator_process

pytestmark = NEEDS_PROMETHEUS
ALERTS_TEST = Path(__file__).parent / "alerts_test.yml"
BOARD = boards.load(boards.NOW)
LANES = [lane.value for lane in Lane]
# Grafana's $__rate_interval: four scrapes at least. A busy machine may take longer than that for two.
RATE_INTERVAL = "1m"


@dataclass(frozen=True)
class Run:
    """A Prometheus that has seen a run with something of everything, from `begin` to `end` (Unix seconds)."""

    server: Prometheus
    begin: float
    end: float


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Deliveries, duplicates, a retry and dead letters of both lanes; then a hold, and a backlog behind it."""
    folder = tmp_path_factory.mktemp("observed")
    database_url = f"sqlite:///{folder / 'ledger.db'}"
    migrate(database_url)
    begin = time.time()
    with (
        valkey(appendfsync="no") as queue,
        simulator_process(folder / "simulator.jsonl", per_second=100) as simulator,
    ):
        pipeline = Pipeline(folder, queue, database_url, simulator)
        try:
            pipeline.worker(ready=False)
            with scraping(pipeline) as server:
                _work(pipeline, server)
                yield Run(server, begin, time.time())
        finally:
            pipeline.close()


def _work(pipeline: Pipeline, server: Prometheus) -> None:
    def scraped(text: str) -> None:
        wait_until(lambda: server.now(text), text, 60)

    pipeline.gong.fault("reject", times=None, match={"eventIdPrefix": "refused-"})
    pipeline.gong.fault("status", status=500, match={"eventId": "live-3"})
    # A rate needs the counter's value before.
    scraped("gong_views_workers_alive == 1")
    for lane in LANES:
        pipeline.enqueue(range(10), lane=lane, prefix=f"{lane}-")
        pipeline.enqueue(range(1), lane=lane, prefix=f"refused-{lane}-")
    pipeline.drain()
    for lane in LANES:
        pipeline.enqueue(range(2), lane=lane, prefix=f"{lane}-")
    pipeline.drain()
    scraped("sum(gong_views_deliveries_total) == 20 and sum(gong_views_duplicates) == 4")
    pipeline.services.gate.hold("a look", "tests")
    for lane in LANES:
        pipeline.enqueue(range(20, 25), lane=lane, prefix=f"{lane}-")
    scraped(
        'count(gong_views_backlog_oldest_age_seconds > 0) == 2 and on() gong_views_gate_state{state="held"} == 1'
    )


CASES = [
    pytest.param(question, chosen, id=f"{question.name} {','.join(chosen)}")
    for question in boards.questions(BOARD)
    for chosen in ([boards.ALL], ["live"], ["bulk"], LANES)
    if question.uses("lane") or chosen == [boards.ALL]
]


@pytest.mark.parametrize(("question", "chosen"), CASES)
def test_every_question_to_prometheus_has_an_answer(
    run: Run, question: boards.Question, chosen: list[str]
) -> None:
    """Each panel's query gives numbers for the run, whichever lanes are chosen, and of these lanes alone."""
    text = boards.promql(BOARD, question.text, {"lane": chosen}, rate_interval=RATE_INTERVAL)
    found = run.server.over(text, run.begin, run.end)
    assert found, text
    lanes = {series["metric"]["lane"] for series in found if "lane" in series["metric"]}
    assert lanes == (set(LANES if chosen == [boards.ALL] else chosen) if question.uses("lane") else set())


def test_the_lanes_to_choose_are_those_that_there_are(run: Run) -> None:
    """The board's variable asks for the label's values of a metric, and Prometheus has both lanes."""
    asked = boards.variables(BOARD)["lane"]["query"]["query"]
    metric, label = asked.removeprefix("label_values(").removesuffix(")").split(", ")
    assert sorted(run.server.ask(f"label/{label}/values", **{"match[]": metric})) == sorted(LANES)


def test_a_number_that_stands_alone_is_of_now(run: Run) -> None:
    """While the gate is held nothing says `open`, though it was open a moment ago: these panels ask for the present."""
    alone = [one for one in boards.questions(BOARD) if one.panel["type"] in ("stat", "gauge")]
    assert alone and all(question.instant for question in alone)
    found = {one.panel["title"]: run.server.now(one.text) for one in alone}
    assert [series["metric"]["state"] for series in found["Gate"]] == ["held"]
    assert [series["metric"]["reason"] for series in found["Holds"]] == ["operator"]


def test_every_alert_is_evaluated(run: Run) -> None:
    """Prometheus has loaded the rules as its configuration names them, and none of them fails."""

    def rules() -> list[dict[str, str]]:
        found = [rule for group in run.server.ask("rules")["groups"] for rule in group["rules"]]
        return found if all(rule["health"] != "unknown" for rule in found) else []

    found = wait_until(rules, "every rule to be evaluated")
    assert {rule["health"] for rule in found} == {"ok"}, found
    written = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
    assert [rule["name"] for rule in found] == [rule["alert"] for rule in written]


def promtool(*words: str, given: str = "") -> None:
    """Run it, and nothing may be wrong."""
    done = subprocess.run(["promtool", *words], input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_metrics_are_as_prometheus_wants_them(run: Run) -> None:
    """promtool has nothing to say about a name, a help text or a type."""
    [target] = run.server.ask("targets")["activeTargets"]
    page = httpx.get(target["scrapeUrl"], headers={"Authorization": f"Bearer {KEY}"})
    promtool("check", "metrics", given=page.text)


def test_promtool_finds_nothing_wrong() -> None:
    """Configuration and rules are what Prometheus takes."""
    promtool("check", "config", "--syntax-only", str(FOLDER / "prometheus.yml"))
    promtool("check", "rules", str(FOLDER / "alerts.yml"))


def test_each_alert_fires_when_it_should() -> None:
    """promtool plays each alert: silent when all is well and before its `for` is over, then told with its text."""
    promtool("test", "rules", str(ALERTS_TEST))
    played = [
        one for test in yaml.safe_load(ALERTS_TEST.read_text())["tests"] for one in test["alert_rule_test"]
    ]
    names = {
        rule["alert"] for rule in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
    }
    assert {one["alertname"] for one in played if one.get("exp_alerts")} == names
    assert {one["alertname"] for one in played if not one.get("exp_alerts")} == names
