"""Laws of erasing a person from the files of exported dead letters."""

import csv
import errno
import json
from pathlib import Path

import pytest

from gong_worker.cli.failures import explained
from gong_worker.domain.person import Person
from gong_worker.operations.export_files import ExportFile
from gong_worker.operations.exports import ExportProblem, _cell, private_file


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


def test_of_an_export_that_the_disk_has_no_room_for_nothing_stays(tmp_path: Path) -> None:
    """Half a file of people's data would be of no use, and in the way of the next try; the text says why."""
    path = tmp_path / "letters.jsonl"
    with pytest.raises(ExportProblem, match=r"letters\.jsonl: No space left"), private_file(path) as file:
        file.write("someone@example.com")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not path.exists()


def test_a_full_disk_is_no_traceback() -> None:
    """Whatever a command writes to: one line, and an exit code."""
    with pytest.raises(OSError, match="No space left") as raised:
        Path("/dev/full").write_text("x")
    assert explained(raised.value) == ("cannot write what is to be written: No space left on device", 2)
