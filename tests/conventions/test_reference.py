"""What is made from something else is current: the docs' reference tables from the code, a board from another."""

import json
import re

import pytest

from gong_views import InvalidViewEvent, ViewEvent
from gong_worker.simulator import schema
from tests.reference import BETWEEN, DOCS, TABLES, page
from tests.support import boards


@pytest.mark.parametrize("name", TABLES)
def test_the_page_is_current(name: str) -> None:
    """The tables on the page are those that `python -m tests.reference` writes."""
    text = (DOCS / name).read_text()
    assert BETWEEN.search(text)
    assert page(name, text) == text, "run `python -m tests.reference`"


def test_the_examples_are_events() -> None:
    """Each JSON example of docs/event.md is taken by the library and by the simulator, as itself."""
    examples = re.findall(r"```json\n(.*?)```", (DOCS / "event.md").read_text(), re.DOTALL)
    assert len(examples) >= 2
    for example in examples:
        wire = json.loads(example)
        assert schema.problems_of(ViewEvent.parse(example).wire()) == []
        assert {**ViewEvent.parse(wire).wire(), **wire} == ViewEvent.parse(wire).wire()


@pytest.mark.parametrize(
    "field",
    re.findall(
        r"^\| `(\w+)` \|.*\| yes \|", (DOCS / "event.md").read_text().partition("### Actor")[0], re.MULTILINE
    ),
)
def test_required_is_required(field: str) -> None:
    """An event without a field that the page calls required is refused, and the error names the field."""
    smallest = json.loads(re.findall(r"```json\n(.*?)```", (DOCS / "event.md").read_text(), re.DOTALL)[0])
    with pytest.raises(InvalidViewEvent) as refused:
        ViewEvent.parse({name: value for name, value in smallest.items() if name != field})
    assert [error["field"] for error in refused.value.errors] == [field]


def test_the_board_for_sqlite_is_current() -> None:
    """The ledger's board for SQLite asks what the one for PostgreSQL asks."""
    made = boards.written(boards.for_sqlite(boards.load(boards.LEDGER)))
    assert boards.LEDGER_SQLITE.read_text() == made, "run `python -m tests.reference`"
    assert boards.written(boards.load(boards.LEDGER)) == boards.LEDGER.read_text()
