"""`gong-views relay` as a process: its output, its exit codes, and how it stops."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from gong_worker.cli import run as main
from tests.integration.outbox.support import add_many, backend_engine, ids, install, queued, unrelayed
from tests.support.processes import command, process
from tests.support.servers import Postgres, Valkey, free_port, valkey, wait_until

# A second and the rest of a busy machine's slowness; a relay that waited for a server would take 30 s.
SOON_SECONDS = 15
ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ONLY_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def run(environment: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command run to its end."""
    return command("relay", *arguments, environment=environment)


def environment_of(engine: sa.Engine, redis_url: str) -> dict[str, str]:
    url = engine.url.render_as_string(hide_password=False)
    return {"REDIS_URL": redis_url, "GONG_VIEWS_OUTBOX_URL": url}


def test_once_and_since_print_what_they_did(engine: sa.Engine, redis_url: str) -> None:
    """--once ends when nothing waits; --since sends again; both tell the numbers; invalid rows make it 1."""
    add_many(engine, range(3))
    environment = environment_of(engine, redis_url)
    done = run(environment, "--once", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, totals(relayed=3))
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO gong_views_outbox (reporting_system, event_id, payload) VALUES ('a', 'b', '{}')"
            )
        )
    done = run(environment, "--since", "2026-01-01T00:00:00Z", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (1, totals(repeated=3, invalid=1))
    assert queued(redis_url) == ids(range(3)) * 2


def totals(**numbers: int) -> dict[str, int]:
    return {"relayed": 0, "invalid": 0, "repeated": 0, "pruned": 0, **numbers}


@ONLY_SQLITE
def test_sigterm_ends_it_within_a_second(engine: sa.Engine, redis_url: str, tmp_path: Path) -> None:
    """Idle or at work it stops in order and prints its totals."""
    add_many(engine, range(50))
    with process(
        ["gong_worker", "relay", "--json", "--batch", "5"],
        tmp_path / "log",
        environment_of(engine, redis_url),
    ) as relay:
        wait_until(lambda: unrelayed(engine) == 0, "the rows to be relayed")
        assert relay.terminate(SOON_SECONDS) == 0
        assert '"relayed": 50' in relay.log
        assert '"action": "outbox.relayed"' in relay.log


@ONLY_POSTGRESQL
def test_sigterm_does_not_wait_for_a_server_that_hangs(engine: sa.Engine, tmp_path: Path) -> None:
    """A frozen Redis holds up the batch, not the end of the process; the rows wait for the next relay."""
    with valkey(appendfsync="no") as server:
        environment = {
            **environment_of(engine, server.url),
            "GONG_VIEWS_ENQUEUE_TIMEOUT_SECONDS": "30",
        }
        with process(["gong_worker", "relay"], tmp_path / "log", environment) as relay:
            add_many(engine, [1])
            wait_until(lambda: unrelayed(engine) == 0, "the relay to work")
            server.freeze()
            try:
                add_many(engine, [2])
                wait_until(lambda: busy_with_redis(server, relay.pid), "the relay to talk to Redis")
                assert relay.terminate(SOON_SECONDS) == 0
            finally:
                server.resume()
        assert unrelayed(engine) == 1
        assert run(environment, "--once").returncode == 0
        assert unrelayed(engine) == 0
        assert set(queued(server.url)) == set(ids([1, 2]))


def busy_with_redis(server: Valkey, pid: int) -> bool:
    """Whether a connection to the frozen server has bytes that it has not read."""
    port = f"{server.port:04X}"
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port}") and fields[3] == "01" and int(fields[4].split(":")[1], 16) > 0:
            return True
    return False


@ONLY_SQLITE
def test_a_redis_that_is_away_is_told_with_3(engine: sa.Engine) -> None:
    """--once does not wait for a queue: it says so, keeps the rows, and ends with 3."""
    add_many(engine, [1])
    done = run(environment_of(engine, f"redis://127.0.0.1:{free_port()}/0"), "--once", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (3, totals())
    assert "refuses connections" in done.stderr
    assert "Traceback" not in done.stderr
    assert unrelayed(engine) == 1


def test_a_database_that_restarts_is_waited_out(redis_url: str, tmp_path: Path) -> None:
    """A relay goes on by itself after a restart of PostgreSQL, told once; a frozen one does not keep it from ending."""
    # Not below pytest's folder: another pytest that starts makes that unreadable for the server's user.
    folder = tempfile.TemporaryDirectory(prefix="gong-views-pg-")
    server = Postgres(Path(folder.name))
    try:
        url = server.new_database()
        engine = backend_engine(url)
        install(engine)
        environment = {"REDIS_URL": redis_url, "GONG_VIEWS_OUTBOX_URL": url}
        with process(["gong_worker", "relay"], tmp_path / "log", environment) as relay:
            add_many(engine, [1])
            wait_until(lambda: queued(redis_url) == ["view-1"], "the first row")
            os.kill(server.pid, signal.SIGQUIT)  # an immediate stop: no connection is ended in order
            wait_until(lambda: "outbox.database_unavailable" in relay.log, "the outage to be told")
            server._server.ensure_postgres_running()
            engine.dispose()
            add_many(engine, [2])
            wait_until(lambda: queued(redis_url) == ids([1, 2]), "the second row")
            assert relay.log.count("outbox.database_unavailable") == 1
            frozen = [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
            for one in frozen:
                one.suspend()
            try:
                assert relay.terminate(SOON_SECONDS) == 0
            finally:
                for one in frozen:
                    one.resume()
        engine.dispose()
    finally:
        server.stop()
        folder.cleanup()


WRONG: list[tuple[list[str], dict[str, str], str]] = [
    ([], {}, "GONG_VIEWS_OUTBOX_URL"),
    (["--once", "--since", "2026-01-01T00:00:00Z"], {}, "exclude each other"),
    (["--since", "yesterday"], {}, "2026-07-01T12:00:00Z"),
    (["--since", "2026-01-01T00:00:00"], {}, "offset"),
    ([], {"GONG_VIEWS_OUTBOX_URL": "mysql://u:hidden@h/d"}, "not on mysql"),
    ([], {"GONG_VIEWS_OUTBOX_URL": "u:hidden@h"}, "no database address"),
    ([], {"GONG_VIEWS_OUTBOX_URL": "postgresql://u:p@ss:hidden@h:hidden/d"}, "no database address"),
    (["--database-url", "postgresql://u:hidden@h/d"], {}, "shows in ps"),
    (["--database-url", "postgresql://u@h/d?password=hidden"], {}, "shows in ps"),
    ([], {"GONG_VIEWS_OUTBOX_URL": "sqlite:////nowhere/at-all.db"}, "no SQLite file"),
]


@pytest.mark.parametrize(("arguments", "environment", "text"), WRONG)
def test_a_users_mistake_is_one_line(
    arguments: list[str],
    environment: dict[str, str],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Exit code 2, what is wrong and the mend; no traceback, no password."""
    monkeypatch.chdir(tmp_path)
    for name in ("GONG_VIEWS_OUTBOX_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["gong-views", "relay", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    printed = capsys.readouterr()
    assert caught.value.code == 2
    assert text in printed.err
    assert "hidden" not in printed.err + printed.out


@ONLY_POSTGRESQL
def test_a_database_without_the_outbox_is_told(database_url: str, redis_url: str) -> None:
    """A backend that has not migrated is told what to call."""
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE something_else (id int)"))
    done = run({"REDIS_URL": redis_url, "DATABASE_URL": database_url})
    assert done.returncode == 2
    assert "gong_views.outbox.schema.upgrade" in done.stderr
    engine.dispose()
