"""examples/: each does what it says, as it stands, with real parts."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from gong_views.message import Envelope, parse
from tests.support.processes import clean_environment, process
from tests.support.servers import free_port, wait_until
from tests.support.views import view

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
KEY = "node-key-0123456789"


@pytest.fixture
def environment(redis_url: str, tmp_path: Path) -> dict[str, str]:
    """What a user of the examples has: the package, its commands, a queue."""
    return {
        **clean_environment(),
        "REDIS_URL": redis_url,
        "GONG_VIEWS_DATA_DIR": str(tmp_path / "var"),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "producers"), str(ROOT / "worker")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DATA": str(tmp_path),
    }


def run(
    command: list[str], cwd: Path, environment: dict[str, str], *, code: int = 0, given: str = ""
) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        command, cwd=cwd, env=environment, input=given, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def queued(url: str, lane: str = "live") -> list[Envelope]:
    """What is on a lane, oldest first."""
    with redis.Redis.from_url(url) as client:
        raws: Any = client.lrange(f"gong-views.{lane}", 0, -1)
        return [parse(raw) for raw in reversed(raws)]


def test_the_script(environment: dict[str, str], redis_url: str) -> None:
    """It enqueues one live event and the others as bulk, names the wrong field, and tells of an outage in a line."""
    done = run([sys.executable, "script.py"], EXAMPLES, environment)
    assert "view-1 is on the queue, and 998 more" in done.stdout and "did you mean email?" in done.stdout
    assert [one.event["eventId"] for one in queued(redis_url)] == ["view-1"]
    assert len(queued(redis_url, "bulk")) == 998
    away = {**environment, "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    done = run([sys.executable, "script.py"], EXAMPLES, away, code=1)
    assert "(refused); run this again" in done.stderr and "Traceback" not in done.stderr


def test_django(environment: dict[str, str], redis_url: str, tmp_path: Path) -> None:
    """Its own test passes without Redis; a page that is shown enqueues, or spools where Redis is away."""
    site = EXAMPLES / "django"
    run([sys.executable, "manage.py", "test"], site, {**environment, "REDIS_URL": "redis://127.0.0.1:1/0"})
    show = (
        "from django.test import Client; from content.models import Deck; "
        "deck = Deck.objects.create(title='Pricing'); "
        "print(Client().get(f'/decks/{deck.pk}', {'email': 'dana@globex.example'}).status_code)"
    )
    run([sys.executable, "manage.py", "migrate", "--run-syncdb"], site, environment)
    away = {**environment, "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    for where, expected in ((away, []), (environment, ["deck-view-2", "deck-view-1"])):
        done = run([sys.executable, "manage.py", "shell", "-c", show], site, where)
        assert "200" in done.stdout
        assert [one.event["eventId"] for one in queued(redis_url)] == expected


def test_fastapi(environment: dict[str, str], redis_url: str, tmp_path: Path) -> None:
    """Its own test passes without Redis; a real server answers 202 for a view, which is on the queue, and 422."""
    site = EXAMPLES / "fastapi"
    nowhere = {**environment, "REDIS_URL": "redis://127.0.0.1:1/0"}
    run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."], site, nowhere)
    port = free_port()
    arguments = ["uvicorn", "--app-dir", str(site), "--port", str(port), "app:app"]
    with process(arguments, tmp_path / "log", environment) as server:
        wait_until(lambda: "running on" in server.log, "the server to listen")
        url = f"http://127.0.0.1:{port}/views"
        assert httpx.post(url, json=view(1)).json() == {"eventId": "view-1"}
        assert httpx.post(url, json={}).status_code == 422
    assert [one.source for one in queued(redis_url)] == ["content-hub"]


def test_the_cron_import(environment: dict[str, str], redis_url: str, tmp_path: Path) -> None:
    """The valid lines are enqueued as bulk, the invalid one is in the file of rejects, and exit code 1 says so."""
    views = tmp_path / "views.csv"
    shutil.copy(EXAMPLES / "cron" / "views.csv", views)
    run([str(EXAMPLES / "cron" / "import-views.sh"), str(views)], tmp_path, environment, code=1)
    events = [one.event for one in queued(redis_url, "bulk")]
    assert [event["eventId"] for event in events] == ["view-1", "view-2"]
    assert events[1]["crmContext"][0]["system"] == "Salesforce"
    [reject] = (tmp_path / "views.csv.rejects.jsonl").read_text().splitlines()
    assert json.loads(reject)["errors"][0]["field"] == "eventTimestamp"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node (18 or later) on PATH")
def test_node(environment: dict[str, str], redis_url: str, tmp_path: Path) -> None:
    """Its events are on the queue, an invalid one is told by index, and an outage or a wrong key is an error."""
    with process(
        ["gong_worker", "serve", "--port", "0"],
        tmp_path / "log",
        {**environment, "GONG_VIEWS_API_KEYS": f"node:{KEY}"},
    ) as server:
        wait_until(
            lambda: re.search(r"http://127\.0\.0\.1:\d+", server.log) is not None, "the server to listen"
        )
        found = re.search(r"http://127\.0\.0\.1:\d+", server.log)
        assert found is not None
        node = {**environment, "URL": found[0], "KEY": KEY}
        command = ["node", "report-views.mjs"]
        done = run(command, EXAMPLES / "node", node, given=json.dumps([view(1), {"contentId": "x"}, view(3)]))
        assert done.stdout == "2 on the queue\n" and "event 1" in done.stderr
        wrong = run(command, EXAMPLES / "node", {**node, "KEY": "x" * 20}, given="[]", code=1)
        assert "refused: 401" in wrong.stderr
    assert [one.event["eventId"] for one in queued(redis_url)] == ["view-1", "view-3"]


def test_the_outbox(environment: dict[str, str], redis_url: str, tmp_path: Path) -> None:
    """What was committed is relayed, what was rolled back is not."""
    shop = {**environment, "GONG_VIEWS_OUTBOX_URL": f"sqlite:///{tmp_path}/shop.db"}
    run([sys.executable, "shop.py"], EXAMPLES / "outbox", shop)
    run(["gong-views", "relay", "--once"], tmp_path, shop)
    assert [one.event["contentId"] for one in queued(redis_url)] == ["deck-42"]


def test_every_example_is_in_the_table() -> None:
    """The README names each example, and nothing that is not there."""
    text = (EXAMPLES / "README.md").read_text()
    linked = set(re.findall(r"^\| \[[^]]*\]\(([^)]*)\)", text, re.MULTILINE))
    assert all((EXAMPLES / target).exists() for target in linked)
    parts = {path.name for path in EXAMPLES.iterdir() if path.name not in ("README.md", "__pycache__")}
    assert {Path(target).parts[0] for target in linked} == parts
