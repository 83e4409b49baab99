"""JSON lines, tidy and untidy."""

import gzip
import json
import os
from pathlib import Path

import pytest

from tests.integration.files.conftest import Enqueue, ids, queued, rejects
from tests.support.views import view


def lines(*events: object) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def test_all_valid(folder: Path, enqueue: Enqueue, redis_url: str) -> None:
    """Exit 0, every event on the lane in the file's order, its source told, nothing left beside the file."""
    (folder / "views.jsonl").write_bytes(lines(*(view(n) for n in range(1_203))))
    run = enqueue("views.jsonl", "--lane", "bulk")
    assert run.code == 0
    assert {key: run.json[key] for key in ("enqueued", "rejected", "lines", "rejects_file", "lane")} == {
        "enqueued": 1_203, "rejected": 0, "lines": 1_203, "rejects_file": None, "lane": "bulk",
    }  # fmt: skip
    assert ids(redis_url, "bulk") == [f"view-{n}" for n in range(1_203)]
    assert {envelope.source for envelope in queued(redis_url, "bulk")} == {"file"}
    assert os.listdir(folder) == ["views.jsonl"]


def test_rejects(folder: Path, enqueue: Enqueue, redis_url: str) -> None:
    """Exit 1; each invalid line is in the rejects, for the owner to read, with number, errors and text."""
    bad = ['{"contentId": "x"}', "nonsense", '[{"contentId": "x"}]', "7", '{"contentTitle": "Zo\u00eb']
    (folder / "views.jsonl").write_bytes(
        lines(view(1)) + "\n".join(["", *bad, ""]).encode() + lines(view(2), {**view(3), "contentTitel": "x"})
    )
    run = enqueue("views.jsonl")
    assert (run.code, run.json["enqueued"], run.json["rejected"]) == (1, 2, 6)
    assert ids(redis_url) == ["view-1", "view-2"]
    path = folder / "views.jsonl.rejects.jsonl"
    assert run.json["rejects_file"] == path.name
    found = rejects(path)
    assert [reject["line"] for reject in found] == [3, 4, 5, 6, 7, 9]
    assert [reject["raw"] for reject in found[:5]] == bad
    assert found[5]["errors"][0]["field"] == "contentTitel"
    assert all(reject["errors"] for reject in found)
    assert path.stat().st_mode & 0o077 == 0


def test_a_fresh_run_rewrites_the_rejects(folder: Path, enqueue: Enqueue) -> None:
    """Rejects of an earlier run do not stay: what is there is this run's."""
    file = folder / "views.jsonl"
    file.write_bytes(b"nonsense\nmore\n")
    enqueue("views.jsonl")
    file.write_bytes(lines(view(1)) + b"nonsense\n")
    enqueue("views.jsonl")
    assert [reject["line"] for reject in rejects(folder / "views.jsonl.rejects.jsonl")] == [2]
    file.write_bytes(lines(view(1)))
    enqueue("views.jsonl")
    assert os.listdir(folder) == ["views.jsonl"]


def test_untidy_but_readable(folder: Path, enqueue: Enqueue, redis_url: str) -> None:
    """A byte order mark, CRLF, blank lines and a last line without its end cost no event."""
    content = (
        b"\xef\xbb\xbf" + lines(view(1)).replace(b"\n", b"\r\n") + b"\r\n  \n\n" + lines(view(2)).rstrip()
    )
    (folder / "views").write_bytes(content)
    run = enqueue("views")
    assert (run.code, run.json["format"], run.json["lines"]) == (0, "jsonl", 5)
    assert ids(redis_url) == ["view-1", "view-2"]


def test_lines_that_cannot_be(folder: Path, enqueue: Enqueue, redis_url: str) -> None:
    """A line that is no UTF-8, or longer than 5 MB, is rejected with its number; the others go in."""
    latin = json.dumps(view(2, contentTitle="Zo\u00eb"), ensure_ascii=False).encode("latin-1")
    endless = json.dumps(view(3, contentTitle="x" * 12_000_000)).encode()
    nested = b"[" * 200_000
    deep = b'{"contentTitle":' * 100_000
    lone = json.dumps(view(7)).encode()[:-1] + b', "contentTitle": "\\ud800"}'
    (folder / "views.jsonl").write_bytes(
        b"\n".join([lines(view(1))[:-1], latin, endless, nested, deep, b"\x00", lone, lines(view(8))])
    )
    run = enqueue("views.jsonl")
    assert (run.code, run.json["lines"]) == (1, 8)
    assert ids(redis_url) == ["view-1", "view-8"]
    found = rejects(folder / "views.jsonl.rejects.jsonl")
    assert [reject["line"] for reject in found] == [2, 3, 4, 5, 6, 7]
    assert "UTF-8" in found[0]["errors"][0]["message"]
    assert "\\xeb" in found[0]["raw"]
    assert "5000000" in found[1]["errors"][0]["message"]
    assert len(found[1]["raw"]) < 5_000


@pytest.mark.parametrize("members", [1, 3])
def test_gzip_by_its_content(folder: Path, enqueue: Enqueue, redis_url: str, members: int) -> None:
    """A gzip file is recognised whatever its name, also one made of several."""
    events = [view(n) for n in range(members * 300)]
    parts = [gzip.compress(lines(*events[n * 300 : (n + 1) * 300])) for n in range(members)]
    (folder / "views.txt").write_bytes(b"".join(parts))
    assert enqueue("views.txt").code == 0
    assert ids(redis_url) == [event["eventId"] for event in events]


@pytest.mark.parametrize("damage", ["cut", "flipped", "header only"])
def test_damaged_gzip(folder: Path, enqueue: Enqueue, redis_url: str, damage: str) -> None:
    """A damaged gzip file is one clear line and exit 2, which says how far it came."""
    data = bytearray(gzip.compress(lines(*(view(n) for n in range(2_000)))))
    if damage == "flipped":
        data[-6] ^= 0xFF
    (folder / "views.gz").write_bytes(data[: {"cut": len(data) // 2, "header only": 5}.get(damage)])
    run = enqueue("views.gz")
    assert run.code == 2
    assert "damaged" in run.err
    if damage != "header only":
        assert run.json["enqueued"] == len(ids(redis_url)) > 0


def test_empty(folder: Path, enqueue: Enqueue) -> None:
    """An empty file is no mistake: nothing to do, exit 0."""
    (folder / "views.jsonl").touch()
    run = enqueue("views.jsonl")
    assert (run.code, run.json["enqueued"], run.json["lines"]) == (0, 0, 0)
