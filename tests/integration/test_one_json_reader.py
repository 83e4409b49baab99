"""The library, HTTP and files read JSON with one reader: a text is refused or taken at all of them alike."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from gong_views import InvalidViewEvent, ViewEvent
from gong_worker.file_import.job import read_records
from gong_worker.file_import.load import Progress
from gong_worker.file_import.source import Format, open_source
from gong_worker.web.body import BadLine, candidates
from tests.support.views import view

TEXT = json.dumps(view())


def crm(value: str) -> str:
    """A text of a field that may hold any JSON."""
    return (
        '[{"system":"Generic","objects":[{"objectType":"Account","objectId":"1","fields":[{"value":'
        + value
        + "}]}]}]"
    )


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("3", True),
        ("9" * 300, True),
        ("[" * 100 + "]" * 100, True),
        ('{"a":{"a":1}}', True),
        ("NaN", False),
        ("-Infinity", False),
        ("1e400", False),
        ("9" * 5000, False),
        ("[" * 101 + "]" * 101, False),
        ("[" * 50_000 + "]" * 50_000, False),
        ('{"a":1,"a":1}', False),
        ('"\\ud800"', False),
        ('{"\\udfff":1}', False),
        ("'x'", False),
    ],
    ids=lambda value: str(value)[:12],
)
def test_one_verdict_at_every_door(value: str, taken: bool, tmp_path: Path) -> None:
    """Duplicate names, NaN, infinities, depth and lone surrogates are judged the same wherever they come in."""
    text = f'{TEXT[:-1]},"crmContext":{crm(value)}}}'
    assert _library(text) is taken
    assert _http(text, "application/json") is taken
    assert _http(f"[{text}]", "application/json") is taken
    assert _http(text, "application/x-ndjson") is taken
    assert _file(tmp_path / "views.jsonl", text, Format.JSONL) is taken
    row = {**view(viewer=None), "crmContext": crm(value)}
    del row["viewer"]
    assert _file(tmp_path / "views.csv", f"{_csv(row)}\n{_csv(row.values())}", Format.CSV) is taken


def _library(event: object) -> bool:
    try:
        ViewEvent.parse(event)  # type: ignore[arg-type]
    except InvalidViewEvent:
        return False
    return True


def _http(text: str, kind: str) -> bool:
    try:
        [found] = candidates(text.encode(), kind, max_events=10)
    except Exception as error:  # Starlette's, whose detail is the answer
        assert getattr(error, "status_code", None) == 400
        return False
    return not isinstance(found, BadLine) and _library(found)


def _file(path: Path, text: str, form: Format) -> bool:
    path.write_text(text)
    with open_source(str(path)) as source:
        [record] = read_records(source, form, Progress())
    return record.event is not None


def _csv(cells: Iterable[str]) -> str:
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
