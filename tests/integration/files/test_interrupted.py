"""Interrupted and taken up again."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gong_worker.file_import.load import BATCH_EVENTS
from tests.integration.files.conftest import Enqueue, ids, rejects
from tests.support.processes import process
from tests.support.servers import Valkey, valkey, wait_until
from tests.support.views import view

NUMBER = 6_000
ROOM_BYTES = 1_500_000  # for some of the batches, not for all


@pytest.fixture
def big(folder: Path) -> Path:
    """Many events; every thousandth line is nonsense."""
    path = folder / "views.jsonl"
    path.write_text("".join((json.dumps(view(n)) if n % 1000 else "nonsense") + "\n" for n in range(NUMBER)))
    return path


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed(big: Path, enqueue: Enqueue, redis_url: str, number: signal.Signals) -> None:
    """After kill -9 or Ctrl-C the next run goes on at the checkpoint: all are in, at most one batch twice."""
    checkpoint = Path(f"{big}.checkpoint.json")
    with process(
        ["gong_worker", "enqueue", str(big)], big.parent / "log", {"REDIS_URL": redis_url}
    ) as killed:
        wait_until(checkpoint.exists, "the checkpoint")
        killed.popen.send_signal(number)
        code = killed.popen.wait(30)
    assert code == (130 if number is signal.SIGINT else -signal.SIGKILL)
    if number is signal.SIGINT:
        assert "run it again" in killed.log
        assert "Traceback" not in killed.log
    run = enqueue(str(big))
    assert run.code == 1
    assert run.json["resumed_after_line"] >= BATCH_EVENTS
    assert "going on after line" in run.err
    assert run.json["enqueued"] + run.json["rejected"] == run.json["lines"] == NUMBER
    found = ids(redis_url)
    assert set(found) == {f"view-{n}" for n in range(NUMBER) if n % 1000}
    assert len(found) - len(set(found)) <= BATCH_EVENTS
    assert [r["line"] for r in rejects(Path(f"{big}.rejects.jsonl"))] == list(range(1, NUMBER, 1000))
    assert not checkpoint.exists()


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Valkey]:
    with valkey(appendfsync="no") as server:
        yield server


def test_queue_goes_away(big: Path, enqueue: Enqueue, own: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 3 says what was enqueued until then; run again when the queue is back, it goes on from there."""
    monkeypatch.setenv("REDIS_URL", own.url)
    with own.client() as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + ROOM_BYTES)
    run = enqueue(str(big))
    assert run.code == 3
    before = run.json["enqueued"]
    assert 0 < before == len(ids(own.url))
    assert f"{before} events were enqueued" in run.err
    assert "run it again" in run.err
    with own.client() as client:
        client.config_set("maxmemory", 0)
    again = enqueue(str(big))
    assert (again.code, again.json["enqueued"]) == (1, NUMBER - NUMBER // 1000)
    assert again.json["resumed_after_line"] == run.json["lines"]
    assert len(ids(own.url)) == NUMBER - NUMBER // 1000


def test_queue_is_not_there(
    folder: Path, enqueue: Enqueue, own: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 3 at once when there is no queue."""
    monkeypatch.setenv("REDIS_URL", own.url)
    own.kill()
    (folder / "views.jsonl").write_text(json.dumps(view(1)))
    run = enqueue("views.jsonl")
    assert (run.code, run.json["enqueued"]) == (3, 0)


def _interrupt(enqueue: Enqueue, path: Path, own: Valkey, monkeypatch: pytest.MonkeyPatch) -> int:
    """Leave a checkpoint: how many lines are behind it."""
    with own.client() as client:
        client.flushall()
        client.config_set("maxmemory", client.info("memory")["used_memory"] + ROOM_BYTES)
        run = enqueue(str(path))
        client.config_set("maxmemory", 0)
    assert run.code == 3
    lines: int = run.json["lines"]
    assert 0 < lines < NUMBER
    return lines


@pytest.mark.parametrize("change", ["content", "queue", "format", "checkpoint"])
def test_anything_else_starts_anew(
    big: Path, enqueue: Enqueue, own: Valkey, redis_url: str, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """A changed file, another queue, another format or a broken checkpoint begins at the first line."""
    monkeypatch.setenv("REDIS_URL", own.url)
    _interrupt(enqueue, big, own, monkeypatch)
    options: list[str] = []
    match change:
        case "content":
            big.write_text(big.read_text().replace('view-7"', 'view-X"'))
        case "queue":
            monkeypatch.setenv("REDIS_URL", redis_url)
        case "format":
            options = ["--format", "csv"]
        case "checkpoint":
            Path(f"{big}.checkpoint.json").write_text('{"bound_to": 7')
    run = enqueue(str(big), *options)
    if change == "format":
        assert run.code == 2  # the first line is no header
    else:
        assert (run.json["resumed_after_line"], run.json["enqueued"]) == (None, NUMBER - NUMBER // 1000)


def test_csv_and_gzip_are_taken_up(
    folder: Path, enqueue: Enqueue, own: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gzipped CSV goes on in the middle with the header of its first line."""
    import gzip

    monkeypatch.setenv("REDIS_URL", own.url)
    header = "reportingSystem,eventId,eventTimestamp,contentId,contentUrl,contentTitle,viewer.email\n"
    rows = (
        f'h,view-{n},2026-07-01T12:00:00Z,d,https://c.example/1,"a\n{n}",d@globex.example\n'
        for n in range(NUMBER)
    )
    path = folder / "views.csv.gz"
    path.write_bytes(gzip.compress((header + "".join(rows)).encode(), 1))
    lines = _interrupt(enqueue, path, own, monkeypatch)
    run = enqueue(str(path))
    assert (run.code, run.json["resumed_after_line"], run.json["lines"]) == (0, lines, 2 * NUMBER + 1)
    assert ids(own.url) == [f"view-{n}" for n in range(NUMBER)]


def test_a_folder_that_cannot_be_written(
    folder: Path, enqueue: Enqueue, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no checkpoint can be kept the load goes on, with a warning."""
    path = folder / "views.jsonl"
    path.write_text(json.dumps(view(1)))
    Path(f"{path}.checkpoint.json.new").mkdir()
    run = enqueue(str(path))
    assert run.code == 0
    assert "cannot be resumed" in run.err
