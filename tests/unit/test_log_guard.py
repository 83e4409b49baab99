"""The look at every log of the suite (tests/conftest.py): it finds what it is to find."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.log_guard import LogGuard, RecordGuard

# A worker's logging, with a defect: whatever it is given goes into a line.
LEAKING = """
import logging, sys
from gong_worker import logs
logs.configure(as_json={as_json})
for text in sys.argv[1:]:
    logging.getLogger("gong_worker").info("a call", extra={{"action": "attempt", "reporting_system": text}})
"""


@pytest.mark.parametrize("as_json", [False, True])
def test_what_a_process_logs_is_found(tmp_path: Path, as_json: bool) -> None:
    """An address, a name, a title, a URL and a secret of its variables: each is told with file, action and value."""
    guard, log = LogGuard(), tmp_path / "worker.log"
    guard.watch(
        log, {"GONG_BEARER_TOKEN": "tok-en-84213", "REDIS_URL": "redis://worker:pass-word@127.0.0.1/0"}
    )
    values = [
        "dana.1@globex.example", "Sam Porter", "Pricing overview", "https://content.example/", "sim-secret",
        "tok-en-84213", "pass-word", "q2V0aGlzLWlzLW5vdC1hLXJlYWwtdG9rZW4tYXQtYWx",
    ]  # fmt: skip
    with log.open("ab") as output:
        program = LEAKING.format(as_json=as_json)
        subprocess.run([sys.executable, "-c", program, *values], stderr=output, check=True, timeout=60)
    told = guard.told()
    assert sorted(finding.value for finding in told) == sorted(values)
    assert {(finding.place, finding.action) for finding in told} == {("worker.log", "attempt")}
    assert str(told[0]).startswith("worker.log: the line of action attempt holds ")
    assert guard.told() == []


def test_what_a_backend_would_log_is_found() -> None:
    """A record of the library is looked at with its fields and its exception's text; ours as our format shows it."""
    guard = LogGuard()
    records = RecordGuard(guard)
    for name, seen in (("gong_views.spool", 1), ("gong_worker.deliver", 0)):
        try:
            raise ValueError("dana@globex.example")
        except ValueError:
            record = logging.LogRecord(name, logging.ERROR, __file__, 1, "failed", None, sys.exc_info())
        records.handle(record)
        found = guard.told()
        assert bool(found) == bool(seen), found
    record = logging.LogRecord("gong_worker", logging.INFO, __file__, 1, "of %s", ("Sam Porter",), None)
    records.handle(record)
    assert [finding.value for finding in guard.told()] == ["Sam Porter"]


def test_what_a_command_says_is_found() -> None:
    """On standard error whatever is personal or secret; on standard output, which shows people, its own secrets."""
    guard, said = LogGuard(), "dana@globex.example tok-en-84213"
    guard.said("status", {"GONG_BEARER_TOKEN": "tok-en-84213"}, stdout=said, stderr=said)
    assert [(finding.place, finding.value) for finding in guard.told()] == [
        ("standard error of status", "dana@globex.example"),
        ("standard error of status", "tok-en-84213"),
        ("standard output of status", "tok-en-84213"),
    ]


def test_lines_are_looked_at_once_they_are_whole(tmp_path: Path) -> None:
    """A value that is written in two parts is found; a log that is gone with its folder is no failure."""
    guard, log = LogGuard(), tmp_path / "worker.log"
    guard.watch(log, {})
    log.write_text("action=attempt viewer=dana@glo")
    assert guard.told() == []
    with log.open("a") as file:
        file.write("bex.example\n")
    assert [finding.value for finding in guard.told()] == ["dana@globex.example"]
    log.unlink()
    assert guard.told() == []
