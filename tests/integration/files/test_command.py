"""The command's other ways: standard input, the dry run, mistakes."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gong_worker.file_import.estimate import estimate, seconds_needed
from gong_worker.file_import.records import json_records
from gong_worker.file_import.source import Line
from tests.integration.files.conftest import Enqueue, ids, rejects
from tests.support.processes import clean_environment
from tests.support.views import view


@pytest.mark.parametrize("zipped", [False, True])
def test_standard_input(folder: Path, redis_url: str, zipped: bool) -> None:
    """`-` reads standard input, gzipped or not; rejects go to the working directory, without a checkpoint."""
    data = b"".join(json.dumps(view(n)).encode() + b"\n" for n in range(3)) + b"nonsense\n"
    done = subprocess.run(
        [sys.executable, "-m", "gong_worker", "enqueue", "-", "--lane", "bulk"],
        input=gzip.compress(data) if zipped else data,
        capture_output=True, timeout=60, env={**clean_environment(), "REDIS_URL": redis_url},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert b"3 events enqueued on bulk" in done.stdout
    assert done.stderr == b"Warning: no worker is alive; the events wait until one is started\n"
    assert ids(redis_url, "bulk") == ["view-0", "view-1", "view-2"]
    assert os.listdir(folder) == ["stdin.rejects.jsonl"]
    assert [reject["line"] for reject in rejects(folder / "stdin.rejects.jsonl")] == [4]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.jsonl"], "missing.jsonl"),
        (["."], "directory"),
        (["x", "--lane", "fast"], "fast"),
        ([], "FILE"),
    ],
)
def test_mistakes(enqueue: Enqueue, arguments: list[str], said: str) -> None:
    """A user's mistake is one line that names it, exit 2."""
    run = enqueue(*arguments)
    assert run.code == 2
    assert said in run.err


def test_a_setting_that_is_wrong(folder: Path, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong variable is named, exit 2."""
    monkeypatch.setenv("REDIS_URL", "http://example")
    (folder / "views.jsonl").write_text(json.dumps(view(1)))
    run = enqueue("views.jsonl")
    assert run.code == 2
    assert "REDIS_URL" in run.err


def test_dry_run(folder: Path, enqueue: Enqueue, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dry run tells calls and days at the present limit, names the bad lines, and changes nothing."""
    monkeypatch.setenv("GONG_VIEWS_CALLS_PER_DAY", "1100")
    monkeypatch.setenv("GONG_VIEWS_DAY_RESERVE", "100")
    text = "".join(json.dumps(view(n % 2_500)) + "\n" for n in range(3_000)) + '{"contentId": "x"}\n'
    (folder / "views.jsonl").write_text(text)
    run = enqueue("views.jsonl", "--dry-run")
    assert run.code == 1
    wanted = {"events": 3_000, "rejected": 1, "calls": 2_500, "calls_exact": True, "calls_per_day": 1_000}
    assert run.json | wanted == run.json
    assert run.json["seconds"] == pytest.approx(2 * 86_400 + 500 / 3, abs=1)
    assert run.json["days"] == pytest.approx(2.002, abs=0.001)
    # A backfill leaves a call a second to others.
    backfill = enqueue("views.jsonl", "--dry-run", "--lane", "bulk")
    assert backfill.json["seconds"] == pytest.approx(2 * 86_400 + 500 / 2, abs=1)
    assert run.json["first_rejects"][0]["line"] == 3_001
    assert "2500 calls" in enqueue("views.jsonl", "--dry-run", as_json=False).out
    assert ids(redis_url) == []
    assert os.listdir(folder) == ["views.jsonl"]


def test_keys_beyond_what_is_kept_count_as_different() -> None:
    """Calls are exact up to the number of keys told apart, and never told too low beyond it."""
    lines = [json.dumps(view(n % 100)).encode() for n in range(300)]
    records = list(json_records(Line(n, 0, line) for n, line in enumerate(lines, 1)))
    exact, bounded = estimate(records, keys_kept=100), estimate(records, keys_kept=50)
    assert (exact.calls, exact.calls_exact) == (100, True)
    assert (bounded.calls, bounded.calls_exact) == (200, False)


@pytest.mark.parametrize(
    ("calls", "seconds"),
    [(0, 0), (30, 10), (9_500, 9_500 / 3), (9_501, 86_400 + 1 / 3), (19_000, 86_400 + 9_500 / 3)],
)
def test_seconds_needed(calls: int, seconds: float) -> None:
    """A day's calls take only as long as the second's limit wants; each further day begins a day later."""
    assert seconds_needed(calls, per_second=3, per_day=9_500) == pytest.approx(seconds)
