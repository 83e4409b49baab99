"""The glossary names what is there."""

import re
from pathlib import Path

import pytest

from tests.conventions.sources import PACKAGES, ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
COLUMNS = ["term", "meaning", "Celery", "SQS", "River", "Oban", "where"]


def rows() -> list[list[str]]:
    """Every row of every table, its cells without their spaces."""
    lines = [line for line in GLOSSARY.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "term" and not row[0].startswith("-")]


def test_every_term_has_all_its_columns_and_stands_once() -> None:
    """Each term is one line with the peers' words and a place, and no term is told twice."""
    assert all(len(row) == len(COLUMNS) and all(row) for row in rows()), [
        row[0] for row in rows() if len(row) != len(COLUMNS) or not all(row)
    ]
    terms = [row[0] for row in rows()]
    assert len(terms) == len(set(terms)) > 50


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_every_place_exists(row: list[str]) -> None:
    """A path of the glossary is in the tree, and a name behind it is in that file."""
    path: Path | None = None
    for named in re.findall(r"`([^`]+)`", row[-1]):
        if "/" in named:
            path = PACKAGES[named.partition("/")[0]].parent / named
            assert path.exists(), f"{row[0]}: {named} is not there"
        else:
            assert path is not None and re.search(rf"\b{re.escape(named)}\b", path.read_text()), (
                f"{row[0]}: {named} is not in {path}"
            )
    assert path is not None, f"{row[0]} names no file"
