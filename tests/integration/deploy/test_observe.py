"""Dashboards and alerts of the profile `observe`: each question asks for what there is, and the ledger answers it."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.domain.holds import HoldReason
from gong_worker.ledger import Ledger, migrate, open_engine
from tests.integration.ledger.support import START, ask, claimed, dead_letter_event, deliver
from tests.integration.ledger.test_dashboards import PAGE, questions
from tests.support import boards
from tests.support.roles import Roles, ledger_roles
from tests.support.servers import Postgres

BOARDS = [boards.load(path) for path in (boards.NOW, boards.LEDGER, boards.LEDGER_SQLITE)]
RULES = yaml.safe_load((boards.ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
DOCUMENTED = set(
    re.findall(r"^\| `(gong_views_\w+)`", (boards.ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
)
# A quote is what quoting is for.
VALUES = {"system": ["O'Brien's CRM", "content-hub"], "lane": [lane.value for lane in Lane]}
BEGIN, END = START - timedelta(days=1), START + timedelta(days=1)


def test_every_metric_that_is_asked_for_is_served() -> None:
    """No panel and no alert waits for a metric that nobody serves, nor for a hold that there is none of."""
    asked = [one.text for one in boards.questions(BOARDS[0])] + [rule["expr"] for rule in RULES]
    assert len(asked) > 20
    for text in asked:
        for name in re.findall(r"gong_views_\w+", text):
            base = name.removesuffix("_bucket")
            assert {base, f"{base}_info", base.removesuffix("_info") + "_info"} & DOCUMENTED, name
        for values in re.findall(r'reason!?[=~]+"([^"]*)"', text):
            assert set(values.split("|")) <= {reason.value for reason in HoldReason}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_a_board_is_whole(board: dict[str, Any]) -> None:
    """Each panel has its own number and place, one known source, and every variable it names; each variable serves."""
    file = boards.ROOT / "deploy/grafana/provisioning/datasources/gong-views.yml"
    known = {source["uid"] for source in yaml.safe_load(file.read_text())["datasources"]}
    panels, variables = board["panels"], boards.variables(board)
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x, y in product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"]))
    ]
    assert len(set(taken)) == len(taken) and max(x for x, _ in taken) == 23
    sources = [panel["datasource"] for panel in panels]
    sources += [one.target["datasource"] for one in boards.questions(board)]
    sources += [one["datasource"] for one in variables.values() if one["type"] == "query"]
    assert {json.dumps(source) for source in sources} == {json.dumps(sources[0])}
    assert sources[0]["uid"] in known | {boards.SQLITE["uid"]}
    for name, variable in variables.items():
        assert variable["multi"] and variable["includeAll"] and variable["current"]["value"] == [boards.ALL]
        assert any(question.uses(name) for question in boards.questions(board))
    if (lane := variables["lane"])["type"] == "custom":
        assert lane["query"].split(",") == VALUES["lane"] == [one["value"] for one in lane["options"][1:]]


def fill(ledger: Ledger) -> None:
    """Of each reporting system and lane one event that is delivered, came twice, and one that is refused."""
    for system, lane in product(VALUES["system"], Lane):
        good, bad = EventKey(system, f"{lane}-good"), EventKey(system, f"{lane}-bad")
        deliver(ledger, claimed(ledger, f"{system} {lane} 1", key=good, lane=lane), 5)
        ask(ledger, f"{system} {lane} 2", 6, key=good, lane=lane)
        dead_letter_event(ledger, claimed(ledger, f"{system} {lane} 3", key=bad, lane=lane), 7)


class Asked:
    """A board's questions to a ledger."""

    def __init__(self, board: dict[str, Any], reader: sa.Engine, owner: str) -> None:
        self.board, self.reader, self.owner = board, reader, owner

    def rows(self, text: str) -> list[dict[str, Any]]:
        with self.reader.connect() as connection:
            return [dict(row) for row in connection.execute(sa.text(text)).mappings()]

    def fill(self) -> None:
        ledger = Ledger(open_engine(self.owner))
        fill(ledger)
        ledger.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def asked(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Asked]:
    """The board for a kind of database; it asks as who may only read, on PostgreSQL as the role of the dashboards."""
    if request.param == "sqlite":
        file = tmp_path / "ledger.db"
        migrate(f"sqlite:///{file}")
        engine = sa.create_engine(f"sqlite:///file:{file}?mode=ro&uri=true")
        yield Asked(BOARDS[2], engine, f"sqlite:///{file}")
        engine.dispose()
        return
    with ledger_roles(request.getfixturevalue("postgres_server")) as roles:
        migrate(roles.url("owner"))
        engine = sa.create_engine(roles.url("dashboards"))
        yield Asked(BOARDS[1], engine, roles.url("owner"))
        engine.dispose()


def test_every_question_to_the_ledger_has_an_answer(asked: Asked) -> None:
    """Each panel's SQL gives rows of its time for all values of its variables, one, and two; and of no others."""
    asked.fill()
    for choice in boards.each_choice(asked.board, VALUES):
        chosen = {name: VALUES[name] if choice[name] == [boards.ALL] else choice[name] for name in VALUES}
        others = [value for name in VALUES for value in VALUES[name] if value not in chosen[name]]
        for question in boards.questions(asked.board):
            rows = asked.rows(boards.sql(asked.board, question.text, choice, BEGIN, END))
            assert rows, (question.name, choice)
            for row in rows:
                if "time" in row:
                    assert _moment(row["time"]).date() == START.date()
                assert not any(str(value).startswith(other) for value in row.values() for other in others)
                if question.uses("system") and "accepted" in row:
                    assert row["accepted"] == len(chosen["system"]) * len(chosen["lane"])


def _moment(value: Any) -> datetime:
    if isinstance(value, int):  # as the plugin for SQLite wants it
        return datetime.fromtimestamp(value, UTC)
    return datetime.combine(value, datetime.min.time()) if not isinstance(value, datetime) else value


def test_a_ledger_without_events_is_answered_too(asked: Asked) -> None:
    """Right after the installation, and for a time in which nothing happened, boards are empty and nothing fails."""
    options = boards.variables(asked.board)["system"]["query"]
    everything = {name: [boards.ALL] for name in VALUES}
    assert asked.rows(options) == []
    for question in boards.questions(asked.board):
        assert asked.rows(boards.sql(asked.board, question.text, everything, BEGIN, END)) == []
    asked.fill()
    assert sorted(row["reporting_system"] for row in asked.rows(options)) == VALUES["system"]
    earlier = (BEGIN - timedelta(days=9), BEGIN)
    for question in boards.questions(asked.board):
        assert asked.rows(boards.sql(asked.board, question.text, everything, *earlier)) == []


def test_a_question_of_the_docs_says_which_role_it_needs(postgres_server: Postgres) -> None:
    """The dashboards' role may ask all of docs/dashboards.md but what it names; `gong_views_web` those as well."""
    [named] = re.findall(r"^- .*?ask tables.*?: questions ([\d, and]+)\.", PAGE, re.MULTILINE)
    with ledger_roles(postgres_server) as roles:
        migrate(roles.url("owner"))
        refused = _refused(roles, "dashboards")
        assert refused == {int(number) for number in re.findall(r"\d+", named)}
        assert _refused(roles, "web") == set()


def _refused(roles: Roles, role: str) -> set[int]:
    engine = sa.create_engine(roles.url(role))
    found = set()
    for number, text in questions("postgresql").items():
        try:
            with engine.connect() as connection:
                connection.execute(sa.text(text))
        except sa.exc.ProgrammingError as error:
            assert "permission denied" in str(error)
            found.add(number)
    engine.dispose()
    return found
