"""The recipes of docs/backup.md, run as they stand while workers work; and what is there after a restore."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gong_worker.domain.audit import AuditAction
from gong_worker.ledger import migrate
from gong_worker.operations.reconcile import reconcile
from gong_worker.operations.serialize import to_json
from tests.integration.upgrade.support import Line, Start
from tests.support.pipeline import sqlite_path
from tests.support.processes import clean_environment
from tests.support.servers import Postgres, Valkey, valkey

PAGE = (Path(__file__).parents[3] / "docs" / "backup.md").read_text()
RECIPES = dict(re.findall(r"```sh\n\s*# (\w+: \w+)\n(.*?)```", PAGE, re.DOTALL))
# Which ledger it is makes no difference to these.
ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ONLY_POSTGRES = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
REDIS_CLI = f"""#!{sys.executable}
import sys, redis
option, url, *command = sys.argv[1:]
assert option == "-u"
answer = redis.Redis.from_url(url, decode_responses=True).execute_command(*command)
if isinstance(answer, dict):
    between = "\\n" if command[0] == "CONFIG" else ":"
    answer = "\\n".join(f"{{name}}{{between}}{{value}}" for name, value in answer.items())
print(answer)
"""


class Recipes:
    """What an operator has: a shell, the tools, and a folder for backups."""

    def __init__(self, folder: Path, tools: Path | None) -> None:
        self.backup = folder / "backup"
        self.backup.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        (programs / "redis-cli").write_text(REDIS_CLI)
        (programs / "redis-cli").chmod(0o755)
        path = [str(programs), *([str(tools)] if tools else []), os.environ["PATH"]]
        self._environment = {**clean_environment(), "PATH": ":".join(path), "BACKUP": str(self.backup)}

    def run(self, name: str, **values: str) -> None:
        """Run one of the page's recipes as it stands; AssertionError with all it said when it fails."""
        done = subprocess.run(
            ["bash", "-euc", RECIPES[name]], env=self._environment | values,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{name}: {done.stdout}\n{done.stderr}"


class Ledger:
    """One kind of ledger, and how the page backs it up and restores it."""

    def __init__(self, url: str, recipes: Recipes, postgres: Postgres | None) -> None:
        self.url = url
        self._recipes = recipes
        self._postgres = postgres
        migrate(url)

    def _place(self) -> str:
        return self.url.replace("+psycopg", "") if self._postgres else str(sqlite_path(self.url))

    def take(self) -> None:
        """While workers work."""
        self._recipes.run("postgresql: take" if self._postgres else "sqlite: take", LEDGER=self._place())
        [taken] = self._recipes.backup.glob("ledger.*")
        assert stat.S_IMODE(taken.stat().st_mode) == 0o600

    def restore(self) -> str:
        """The URL from now on."""
        if self._postgres:
            self.url = self._postgres.new_database()
        self._recipes.run(
            "postgresql: restore" if self._postgres else "sqlite: restore", LEDGER=self._place()
        )
        migrate(self.url)
        return self.url


@pytest.fixture
def recipes(tmp_path: Path, postgres_server: Postgres) -> Recipes:
    """With PostgreSQL's own tools of the same version."""
    return Recipes(tmp_path, Path(psutil.Process(postgres_server.pid).exe()).parent)


@pytest.fixture
def ledger(database_url: str, recipes: Recipes, postgres_server: Postgres) -> Ledger:
    """A new ledger of each kind."""
    return Ledger(database_url, recipes, postgres_server if database_url.startswith("postgresql") else None)


@pytest.fixture
def server() -> Iterator[Valkey]:
    """A Valkey that is stopped and put back."""
    with valkey() as own:
        yield own


def take_queue(recipes: Recipes, server: Valkey) -> None:
    """As the page says; what it changes for that is put back."""
    setting = "auto-aof-rewrite-percentage"
    with server.client() as client:
        client.config_set(setting, 70)
        recipes.run("queue: take", REDIS_URL=server.url, REDIS_DIR=str(server.folder))
        assert client.config_get(setting) == {setting: "70"}


def missing(line: Line) -> int:
    """What the reconciliation misses."""
    return sum(row.missing for row in reconcile(line.services).drift)


def accept(line: Line, why: str) -> None:
    """As the page says: told once more, kept in the audit, and no drift from then on; the counters are right."""
    drift = to_json(reconcile(line.services).drift)
    told = json.loads(line.command("reconcile", "--deep", "--accept", why, "--json"))
    assert told["counters"]["miscounts"] == []
    assert (told["drift"], told["drift_accepted"]) == (drift, True)
    [entry] = line.ledger.list_actions(limit=9).entries
    assert (entry.action, entry.reason, entry.details) == (AuditAction.WRITE_OFF, why, {"drift": drift})
    found = reconcile(line.services)
    assert (found.drift, found.written_off) == ([], entry.count)


def test_an_old_ledger(ledger: Ledger, line: Start) -> None:
    """Taken while workers worked. Events enqueued again are settled by a 409 each, and none is accepted twice."""
    before = line(ledger.url)
    worker = before.worker()
    with before.producing(range(40)):
        before.wait_accepted(range(10))
        ledger.take()
    before.enqueue(range(40, 60))
    before.enqueue(range(50, 55))
    before.drain()
    assert worker.terminate() == 0
    calls = len(before.gong.log())
    before.close()

    after = line(ledger.restore(), before=before)
    known = {event.event_id for event in after.ledger.every_event() if event.status == "delivered"}
    forgotten = 60 - len(known)
    assert 20 <= forgotten < 60
    assert missing(after) == forgotten + 5
    after.worker()
    after.enqueue(range(60))
    after.drain()
    after.accepted_once(range(60))
    again = after.gong.log(calls)
    assert {entry["key"][1] for entry in again} == {f"view-{n}" for n in range(60)} - known
    assert {entry["outcome"] for entry in again} == {"duplicate"}
    assert missing(after) == forgotten + 5
    accept(after, "ledger of 14:00 restored")


@ONLY_SQLITE
def test_an_old_queue(ledger: Ledger, recipes: Recipes, server: Valkey, line: Start) -> None:
    """What has ended since comes again and ends without a call; what was lost with the queue is missed exactly."""
    made = line(ledger.url, server=server)
    worker = made.worker()
    with made.producing(range(30)):
        made.wait_accepted(range(5))
        take_queue(recipes, server)
    made.enqueue(range(30, 40))
    made.drain()
    assert worker.terminate() == 0
    made.enqueue(range(40, 45))
    assert missing(made) == 0
    calls = len(made.gong.log())
    server.kill()
    recipes.run("queue: restore", REDIS_DIR=str(server.folder))
    server.start()

    made.worker()
    made.drain()
    assert len(made.gong.log()) == calls, "a call was wasted"
    assert missing(made) == 5
    made.enqueue(range(40, 45))
    made.drain()
    made.accepted_once(range(45))
    accept(made, "queue of 14:00 restored")


@ONLY_POSTGRES
def test_an_old_queue_with_an_older_ledger(
    ledger: Ledger, recipes: Recipes, server: Valkey, line: Start
) -> None:
    """The queue taken first: all that was enqueued before is delivered, once; so is what is enqueued again."""
    before = line(ledger.url, server=server)
    worker = before.worker()
    with before.producing(range(40)):
        before.wait_accepted(range(5))
        take_queue(recipes, server)
        before.wait_accepted(range(15))
        ledger.take()
    before.drain()
    assert worker.terminate() == 0
    before.enqueue(range(40, 45))
    server.kill()
    before.close()
    recipes.run("queue: restore", REDIS_DIR=str(server.folder))
    server.start()

    after = line(ledger.restore(), server=server, before=before)
    after.worker()
    after.drain()
    after.accepted_once(range(40))
    after.enqueue(range(45))
    after.drain()
    after.accepted_once(range(45))
    after.command("reconcile", "--deep", "--accept", "queue and ledger of 14:00 restored")
    assert missing(after) == 0
