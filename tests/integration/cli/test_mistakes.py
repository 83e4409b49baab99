"""A user's mistake is one clear text and an exit code, never a traceback."""

import json

import pytest

from tests.integration.cli.conftest import Run
from tests.support.pipeline import Pipeline
from tests.support.servers import free_port
from tests.support.views import view


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"GONG_BASE_URL": "http://api.example"}, "GONG_BASE_URL"),
        ({"GONG_BASE_URL": "api.gong.io"}, "GONG_BASE_URL"),
        ({"GONG_ACCESS_KEY_SECRET": ""}, "GONG_ACCESS_KEY_SECRET"),
        ({"GONG_BEARER_TOKEN": "tok-en"}, "GONG_BEARER_TOKEN"),
        ({"GONG_VIEWS_DAY_RESERVE": "10000"}, "GONG_VIEWS_DAY_RESERVE"),
        ({"GONG_VIEWS_CALLS_PER_SECOND": "many"}, "GONG_VIEWS_CALLS_PER_SECOND"),
        ({"GONG_VIEWS_CALLS_PER_SECOND": "0"}, "GONG_VIEWS_CALLS_PER_SECOND"),
        ({"GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS": "2"}, "GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS"),
        ({"GONG_VIEWS_RETRY_BASE_SECONDS": "9"}, "GONG_VIEWS_RETRY_MAX_SECONDS"),
        ({"REDIS_URL": "http://localhost"}, "REDIS_URL"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(
    run: Run, environment: dict[str, str], named: str
) -> None:
    """The message names the variable; the worker does not start; no secret is shown."""
    done = run("worker", **environment)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert "tok-en" not in done.stderr
    assert "sim-secret" not in done.stderr


@pytest.mark.parametrize("words", [("migrate",), ("up", "--sandbox")])
def test_a_data_directory_that_cannot_be_made_is_named(
    run: Run, pipeline: Pipeline, words: tuple[str, ...]
) -> None:
    """A path below a file is a setting to mend, not a traceback."""
    (pipeline.folder / "file").write_text("")
    barred = str(pipeline.folder / "file" / "var")
    done = run(*words, GONG_VIEWS_DATA_DIR=barred, REDIS_URL="", DATABASE_URL="")
    assert done.returncode == 2
    assert "GONG_VIEWS_DATA_DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_calls_of_the_future_cannot_be_followed(run: Run) -> None:
    """`events tail` does not wait for years without a word."""
    done = run("events", "tail", "--since", "9999-01-01T00:00:00Z")
    assert done.returncode == 2
    assert "future" in done.stderr


def test_an_outdated_ledger_says_what_to_run(run: Run, pipeline: Pipeline) -> None:
    """The worker refuses a schema that is not its own and names the command that mends it."""
    done = run("worker", DATABASE_URL=f"sqlite:///{pipeline.folder / 'empty.db'}")
    assert done.returncode != 0
    assert "gong-views migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_credentials_no_worker_starts(run: Run) -> None:
    """A worker that could not authenticate says which variables to set."""
    done = run("worker", GONG_ACCESS_KEY="", GONG_ACCESS_KEY_SECRET="")
    assert done.returncode == 2
    assert "GONG_BEARER_TOKEN" in done.stderr


@pytest.mark.parametrize("words", [("status",), ("enqueue", "-"), ("reconcile",), ("release",)])
def test_an_absent_queue_is_exit_code_3(run: Run, words: tuple[str, ...]) -> None:
    """When Redis is away a command says so within seconds."""
    done = run(*words, stdin=json.dumps(view(1)), REDIS_URL=f"redis://:hush@127.0.0.1:{free_port()}/0")
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stderr
    assert "refuses connections" in done.stderr
    assert "the event got in" not in done.stderr
    assert done.returncode == 3


@pytest.mark.parametrize("minutes", ["99999999999999", "1e309"])
def test_a_hold_that_no_calendar_knows_the_end_of_is_refused(run: Run, minutes: str) -> None:
    """A slip in `hold --for` holds nothing: `status`, which tells every hold's end, goes on."""
    done = run("hold", "--reason", "lunch", "--for", minutes)
    assert done.returncode == 2
    assert "a year" in done.stderr
    status = run("status")
    assert (status.returncode, status.stderr) == (0, "")
    assert "operator" not in status.stdout


@pytest.mark.parametrize("words", [("dead-letters", "list"), ("reconcile",), ("migrate",)])
def test_an_absent_ledger_is_exit_code_3(run: Run, words: tuple[str, ...]) -> None:
    """A ledger that is away is no mistake of the user's: one line, and the code of a server that is away."""
    done = run(*words, DATABASE_URL=f"postgresql://u:hush@127.0.0.1:{free_port()}/x")
    assert "the ledger is unavailable" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stderr
    assert done.returncode == 3


def test_status_shows_queue_and_gate_while_the_ledger_is_away(run: Run, pipeline: Pipeline) -> None:
    """When only the database is down its numbers are null, and the rest is told."""
    pipeline.enqueue([1])
    away = f"postgresql://u:hush@127.0.0.1:{free_port()}/x"
    done = run("status", "--json", DATABASE_URL=away)
    status = json.loads(done.stdout)
    assert (status["queue"]["live"], status["gate"]["state"]) == (1, "open")
    assert status["ledger"]["delivered"] is None
    assert "the ledger is unavailable" in status["ledger"]["error"]
    assert "hush" not in done.stdout + done.stderr
    assert "the ledger is unavailable" in run("status", DATABASE_URL=away).stdout


def test_the_gate_is_held_and_released_while_the_ledger_is_away(run: Run) -> None:
    """An operator can stop all calls when the database is down: that needs Redis alone."""
    away = f"postgresql://u@127.0.0.1:{free_port()}/x"
    held = run("hold", "--reason", "database down", "--json", DATABASE_URL=away)
    assert json.loads(held.stdout)["reason"] == "operator", held.stderr
    assert json.loads(run("release", "--json", DATABASE_URL=away).stdout)["state"] == "open"


@pytest.mark.parametrize(
    "words",
    [
        ("dead-letters", "show", "99"),
        ("dead-letters", "replay"),
        ("events", "show", "no-such-event"),
        ("enqueue", "no-such-file.jsonl"),
        ("dead-letters", "show", "99999999999999999999"),
        ("dead-letters", "list", "--http-status", "99999999999999999999"),
        ("dead-letters", "replay", "1", "99999999999999999999"),
        ("replays", "cancel", "99999999999999999999"),
        ("audit", "--before", "99999999999999999999"),
        ("dead-letters", "list", "--since", "999999w"),
        ("prune", "--older-than", "999999w", "--dry-run"),
        ("erase", "--email", "j\udcfcrgen@customer.example", "--dry-run"),
        ("limits", "set"),
        ("limits", "set", "--calls-per-day", "99999999999999999999"),
        ("limits", "set", "--calls-per-second", "1e-320"),
        ("status", "--check", "--max-backlog-age", "nan"),
        ("events", "tail", "--since", "0001-01-01T00:00:00+14:00"),
        ("relay", "--since", "0001-01-01T00:00:00+14:00"),
        ("dead-letters", "list", "--contains", "x" * 60_000),
        ("simulator", "--host", "x" * 64),
        ("hold",),
        ("hold", "--reason", " "),
        ("hold", "--reason", "x", "--for", "nan"),
        ("hold", "--reason", "x" * 1_001),
        ("hold", "--reason", "x", "--content-id", "x" * 1_001),
        ("drop", "--reporting-system", "crm", "--yes", "--why", "x" * 1_001),
        ("drop", "--reporting-system", "crm", "--yes", "--why", " "),
        ("dead-letters", "discard", "1", "--why", "x" * 1_001),
        ("drop", "--reporting-system", "crm", "--why", "nobody is asked without a terminal"),
        ("relay", "--once", "--database-url", f"sqlite:////{'a' * 300}"),
        ("simulator", "--log", "/dev/null/calls.jsonl"),
        ("console", "--host", "\x1b[31mred"),
        ("reconcile", "--accept", "x" * 1_001),
        ("prune", "--older-than", "400d", "--yes", "--why", "x" * 1_001),
        ("erase", "--email", "a@b.example", "--yes", "--why", ""),
        ("frobnicate",),
    ],
)
def test_wrong_words_get_a_text_not_a_traceback(run: Run, words: tuple[str, ...]) -> None:
    """Unknown ids, files, commands and missing options end with a text and a non-zero code."""
    done = run(*words)
    assert done.returncode != 0
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr


def test_an_alert_address_that_takes_nothing_is_told(run: Run) -> None:
    """`alerts test` says which address is none, before it sends, and what it means that one was not delivered."""
    done = run("alerts", "test", GONG_VIEWS_ALERT_URLS=f"json://127.0.0.1:{free_port()} foo://tok-en")
    assert done.returncode == 2
    assert "address 2 (foo://" in done.stderr
    done = run("alerts", "test", GONG_VIEWS_ALERT_URLS=f"json://user:tok-en@127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "its service is away, or refuses the address" in done.stderr
    assert "tok-en" not in done.stdout + done.stderr
