"""CSV: the header names fields, a row is an event."""

import gzip
import json
from pathlib import Path

import pytest

from tests.integration.files.conftest import Enqueue, ids, queued, rejects

HEADER = "reportingSystem,eventId,eventTimestamp,contentId,contentUrl,contentTitle,viewer.email"
CRM = '[{"system": "Salesforce", "objects": [{"objectType": "Account", "objectId": "001"}]}]'


def row(number: int, title: str = "Pricing") -> str:
    return (
        f"hub,view-{number},2026-07-01T12:00:00Z,deck-1,https://content.example/1,{title},dana@globex.example"
    )


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def test_rows(folder: Path, enqueue: Enqueue, redis_url: str) -> None:
    """Dots nest, empty cells are absent, quoted cells may hold commas, quotes and line ends."""
    header = f"{HEADER},viewer.name,shareId,sharer.id"
    title = 'Features, "Spec"\r\nV.1'
    text = "\r\n".join([header, f"{row(1, quoted(title))},Dana,,", f"{row(2)},,{{7}},u1", "", ",,,,,,,,,"])
    (folder / "views.csv").write_text(text, newline="")
    run = enqueue("views.csv")
    assert (run.code, run.json["format"], run.json["enqueued"]) == (0, "csv", 2)
    first, second = (envelope.event for envelope in queued(redis_url))
    assert first["contentTitle"].replace("\r\n", "\n") == title.replace("\r\n", "\n")
    assert first["viewer"] == {"email": "dana@globex.example", "name": "Dana"}
    assert "shareId" not in first
    assert "sharer" not in first
    assert (second["shareId"], second["sharer"]) == ("{7}", {"id": "u1"})


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_json_in_cells_and_either_spelling(
    folder: Path, enqueue: Enqueue, redis_url: str, delimiter: str
) -> None:
    """Arrays and objects are JSON in their cell; names may be in snake case; the delimiter is recognised."""
    names = (
        "reporting_system,event_id,event_timestamp,content_id,content_url,content_title,crm_context,viewer"
    )
    cells = [
        "hub",
        "view-1",
        "2026-07-01T12:00:00Z",
        "d",
        "https://content.example/1",
        "[Draft]",
        quoted(CRM),
    ]
    cells.append(quoted('{"email": "dana@globex.example"}'))
    (folder / "v").write_text(names.replace(",", delimiter) + "\n" + delimiter.join(cells) + "\n")
    assert enqueue("v").code == 0
    [envelope] = queued(redis_url)
    assert envelope.event["contentTitle"] == "[Draft]"
    assert envelope.event["crmContext"] == json.loads(CRM)
    assert envelope.event["viewer"] == {"email": "dana@globex.example"}


def test_rejected_rows(folder: Path, enqueue: Enqueue, redis_url: str) -> None:
    """A bad row is rejected by its line and text; a quote that is not closed costs its own line only."""
    latin = row(6, "Zo\u00eb").encode("latin-1")
    rows = [
        row(1).encode(),
        row(2, '"Unclosed').encode(),
        row(3).encode(),
        b"too,few",
        row(5, '"two\nlines",too many').encode(),
        latin,
        row(7, "x" * 5_000_001).encode(),
        row(8, '"Unclosed and ""then""').encode(),
        row(9, '"good"').encode(),
        b"hub,view-10,yesterday,d,https://content.example/1,t,",
    ]
    (folder / "views.csv").write_bytes(b"\xef\xbb\xbf" + HEADER.encode() + b"\n" + b"\n".join(rows))
    run = enqueue("views.csv")
    assert run.code == 1
    assert ids(redis_url) == ["view-1", "view-3", "view-9"]
    found = rejects(folder / "views.csv.rejects.jsonl")
    assert [reject["line"] for reject in found] == [3, 5, 6, 8, 9, 10, 12]
    assert found[1]["raw"] == "too,few"
    assert found[2]["raw"] == row(5, '"two\nlines",too many')
    assert found[-1]["errors"][0]["field"] == "eventTimestamp"


def test_a_quote_open_until_the_end(folder: Path, enqueue: Enqueue, redis_url: str) -> None:
    """A file of 5,000 rows with an open quote in the first loses that row and no other."""
    text = "\n".join([HEADER, row(0, '"Open'), *(row(n) for n in range(1, 5_000))])
    (folder / "views.csv").write_text(text)
    run = enqueue("views.csv")
    assert (run.code, run.json["enqueued"], run.json["rejected"]) == (1, 4_999, 1)


def test_bad_json_in_a_cell(folder: Path, enqueue: Enqueue) -> None:
    """A cell of an array that is no JSON is an error of that field."""
    (folder / "views.csv").write_text(f"{HEADER},crmContext\n{row(1)},Salesforce\n")
    assert enqueue("views.csv").code == 1
    [reject] = rejects(folder / "views.csv.rejects.jsonl")
    assert reject["errors"][0]["field"] == "crmContext"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (f"{HEADER},contentTitel", "contentTitel"),
        (f"{HEADER},viewer", "viewer"),
        (f"{HEADER},event_id", "eventId more than once"),
        (f"{HEADER},", "(empty)"),
    ],
)
def test_bad_headers(folder: Path, enqueue: Enqueue, redis_url: str, header: str, said: str) -> None:
    """A header that no event fits is said at once, exit 2, before anything is enqueued."""
    (folder / "views.csv").write_text(f"{header}\n{row(1)},\n")
    run = enqueue("views.csv", as_json=False)
    assert run.code == 2
    assert said in run.err
    assert ids(redis_url) == []


def test_a_file_without_a_header_shows_nobody(folder: Path, enqueue: Enqueue, redis_url: str) -> None:
    """Values of a first row that is no header, or of odd columns, are not printed: numbers and lines are."""
    (folder / "rows.csv").write_text(f"{row(1)}\n")
    run = enqueue("rows.csv", "--format", "csv", as_json=False)
    assert run.code == 2
    assert "line 1 is no header: 7 of its 7 cells" in run.err
    (folder / "odd.csv").write_text(f"{HEADER},dana@globex.example,Dana W.\n{row(1)},,\n")
    odd = enqueue("odd.csv", as_json=False)
    assert "column 8, column 9" in odd.err
    for shown in (run.out + run.err, odd.out + odd.err):
        assert "globex" not in shown
        assert "Dana" not in shown


def test_gzip_and_a_forced_format(folder: Path, enqueue: Enqueue, redis_url: str) -> None:
    """CSV may be gzipped; a format that is given is not guessed."""
    (folder / "views").write_bytes(gzip.compress(f"{HEADER}\n{row(1)}\n".encode()))
    assert enqueue("views", "--format", "csv").code == 0
    assert ids(redis_url) == ["view-1"]
    assert enqueue("views", "--format", "jsonl").json["rejected"] == 2


def test_utf16_is_said(folder: Path, enqueue: Enqueue) -> None:
    """A file in UTF-16, as spreadsheets write it, is told apart and the mend named."""
    (folder / "views.csv").write_text(f"{HEADER}\n{row(1)}\n", encoding="utf-16")
    run = enqueue("views.csv", as_json=False)
    assert run.code == 2
    assert "UTF-8" in run.err
