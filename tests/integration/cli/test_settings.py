"""Where a command reads its settings from, and what it does not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Run
from tests.support.pipeline import Pipeline
from tests.support.processes import clean_environment, process
from tests.support.servers import free_port, wait_until


def test_nothing_in_the_working_directory_is_imported_or_read(tmp_path: Path) -> None:
    """A `gong_worker/`, `celery.py` or `.env` lying there changes nothing: not for `up`, not for its children."""
    (tmp_path / "gong_worker").mkdir()
    trap = f"import pathlib; pathlib.Path({str(tmp_path / 'sprung')!r}).touch(); raise SystemExit(9)"
    for name in ("gong_worker/__init__.py", "gong_views.py", "celery.py", "redis.py"):
        (tmp_path / name).write_text(trap)
    (tmp_path / ".env").write_text("GONG_BASE_URL=https://elsewhere.example\nGONG_VIEWS_DATA_DIR=hijacked\n")
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        up = subprocess.Popen(
            [Path(sys.executable).parent / "gong-views", "up", "--sandbox"],
            cwd=tmp_path, env=clean_environment(), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        wait_until(lambda: "worker_ready" in log.read_text() or up.poll() is not None, "the worker", 60)
        assert up.poll() is None, log.read_text()
    finally:
        up.terminate()
        up.wait(60)
    assert not (tmp_path / "sprung").exists()
    assert not (tmp_path / "hijacked").exists()
    assert (tmp_path / "var" / "ledger.db").exists()


def test_the_file_that_env_file_names_is_read(run: Run, pipeline: Pipeline) -> None:
    """`--env-file` and GONG_VIEWS_ENV_FILE name it; the environment goes before it; an absent one is an error."""
    named = pipeline.folder / "variables"
    named.write_text("GONG_VIEWS_MAX_ATTEMPTS=3\nGONG_VIEWS_LOG_FORMAT=json\n")
    for words, more in (
        (("--env-file", str(named), "check"), {}),
        (("check",), {"GONG_VIEWS_ENV_FILE": str(named)}),
    ):
        done = run(*words, "--json", **more)
        settings = json.loads(done.stdout)["settings"]
        assert settings["GONG_VIEWS_LOG_FORMAT"] == {"value": "json", "origin": f"file {named}"}
        assert settings["GONG_VIEWS_MAX_ATTEMPTS"] == {"value": 50, "origin": "environment"}
    assert run("--env-file", str(named) + "x", "status").returncode == 2


@pytest.mark.parametrize("words", [("worker",), ("serve",), ("enqueue", "-")])
def test_an_unknown_variable_stops_every_command(run: Run, words: tuple[str, ...]) -> None:
    """`GONG_VIEWS_CALLS_PER_SECND=1` is exit 2 with the name that was meant, before anything is done."""
    done = run(*words, GONG_VIEWS_CALLS_PER_SECND="1")
    assert done.returncode == 2
    assert "did you mean GONG_VIEWS_CALLS_PER_SECOND?" in done.stderr


@pytest.mark.parametrize(
    ("words", "variable", "value"),
    [
        (("status",), "REDIS_URL", "redis://:geheim#1@localhost:6379/0"),
        (("worker",), "REDIS_URL", "redis://:geheim#1@localhost:6379/0"),
        (("relay", "--once"), "DATABASE_URL", "postgresql://u:geh@eim@localhost/x"),
        (("reconcile",), "DATABASE_URL", "postgresql://u:geh@eim@localhost/x"),
        (("check",), "DATABASE_URL", "postgresql://u:x@localhost:geheim/x"),
        (("worker",), "DATABASE_URL", "postgresql://u:x@localhost:geheim/x"),
    ],
)
def test_an_address_that_cannot_be_read_is_one_line_without_its_value(
    run: Run, words: tuple[str, ...], variable: str, value: str
) -> None:
    """No command shows any part of a password, not in a traceback either."""
    done = run(*words, **{variable: value})
    assert done.returncode in (1, 2), done.stderr
    output = done.stdout + done.stderr
    assert variable in output
    for secret in ("geh@", "eim", "geheim", "Traceback"):
        assert secret not in output


def test_a_password_on_the_command_line_is_refused(run: Run) -> None:
    """`ps` shows it to everyone: the relay wants its URL in the environment or in a file."""
    done = run("relay", "--once", "--database-url", f"postgresql://u:geheim@localhost:{free_port()}/x")
    assert done.returncode == 2
    assert "GONG_VIEWS_OUTBOX_URL_FILE" in done.stderr
    assert "geheim" not in done.stderr


def test_the_log_has_the_level_and_the_form_that_were_asked_for(pipeline: Pipeline, tmp_path: Path) -> None:
    """`worker --loglevel debug` tells more; GONG_VIEWS_LOG_FORMAT=json makes every line of it an object."""
    environment = {**pipeline.environment, "GONG_VIEWS_LOG_FORMAT": "json"}
    with process(["gong_worker", "worker", "--loglevel=debug"], tmp_path / "w.log", environment) as worker:
        wait_until(lambda: "worker_ready" in worker.log, "the worker", 60)
        whole, _, _ = worker.log.rpartition("\n")
        levels = {json.loads(line)["level"] for line in whole.splitlines()}
        assert {"debug", "info"} <= levels
    with process(["gong_worker", "worker", "--loglevel=error"], tmp_path / "e.log", environment) as worker:
        pipeline.enqueue([1])
        pipeline.drain()
        assert '"level": "info"' not in worker.log


def test_files_are_private_whatever_the_umask(run: Run, pipeline: Pipeline) -> None:
    """In a data directory that others may read, everything that we make is still for its owner only."""
    data = pipeline.folder / "shared"
    data.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        done = run("migrate", GONG_VIEWS_DATA_DIR=str(data), DATABASE_URL="")
        assert done.returncode == 0, done.stderr
        done = run("migrate", DATABASE_URL=f"sqlite:///{data}/deep/er/ledger.db")
        assert done.returncode == 0, done.stderr
    finally:
        os.umask(before)
    made = list(data.rglob("*"))
    assert {path.name for path in made} >= {"ledger.db", "deep", "er"}
    assert [path for path in made if path.stat().st_mode & 0o077] == []
