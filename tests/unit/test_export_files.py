"""Laws of erasing a person from the files of exported dead letters."""

import csv
import json
from pathlib import Path

import pytest

from gong_worker.domain.person import Person
from gong_worker.operations.export_files import ExportFile
from gong_worker.operations.exports import _cell


@pytest.mark.parametrize("separator", ["\u2028", "\x85"])
def test_a_line_ends_with_a_line_feed_only(tmp_path: Path, separator: str) -> None:
    """Of a letter that another program wrote anew, with a line separator in a text, nothing stays."""
    path = tmp_path / "letters.jsonl"
    letters = [
        {"id": 1, "payload": {"viewer": {"email": "someone@example.com"}, "contentTitle": f"a{separator}b"}},
        {"id": 2, "payload": {"contentTitle": f"c{separator}d"}},
    ]
    lines = [json.dumps(one, ensure_ascii=False) + "\r\n" for one in letters]
    path.write_text("".join(lines), "utf-8", newline="")
    export = ExportFile(1, str(path), "jsonl", None)
    assert export.erase(Person("someone@example.com")) == 1
    assert path.read_bytes() == lines[1].encode()


@pytest.mark.parametrize("tracking_id", ["+49170123", "=81", "-81", "@someone", "t-81"])
def test_a_tracking_id_is_found_in_a_table(tmp_path: Path, tracking_id: str) -> None:
    """Also one that a spreadsheet would take for a formula, and that is written so that it does not."""
    path = tmp_path / "letters.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "trackingId"], ["1", _cell(tracking_id)], ["2", "other"]])
    assert ExportFile(1, str(path), "csv", None).erase(Person(tracking_id=tracking_id)) == 1
    assert path.read_bytes() == b"id,trackingId\r\n2,other\r\n"


def test_a_cell_may_be_as_long_as_a_message(tmp_path: Path) -> None:
    """A body that nobody could read is one cell, longer than the csv module reads by itself."""
    path = tmp_path / "letters.csv"
    with path.open("w", newline="") as file:
        body = "x" * 300_000
        csv.writer(file).writerows(
            [["id", "unreadable_body"], ["1", f"{body} someone@example.com"], ["2", body]]
        )
    assert ExportFile(1, str(path), "csv", None).erase(Person("someone@example.com")) == 1
    assert path.read_text().splitlines() == ["id,unreadable_body", f"2,{body}"]
