"""The console while the ledger or Redis is away: every page says so, none fails, and nothing is left open."""

import re
from pathlib import Path

import httpx
import psutil

from gong_worker.console.frame import PAGES
from gong_worker.ledger import migrate
from tests.console.served import answers
from tests.support.processes import process
from tests.support.servers import valkey, wait_until

ROUNDS = 4
# Two pages at once and what a look needs beside; each page of a leak would add some.
MOST_CONNECTIONS = 8


def test_pages_say_what_is_away_and_leave_nothing_open(tmp_path: Path) -> None:
    """Without a ledger, then without Redis, pages come with the reason; with both back they are whole again."""
    database = tmp_path / "ledger.db"
    with valkey(appendfsync="no") as server:
        environment = {
            "REDIS_URL": server.url,
            "DATABASE_URL": f"sqlite:///{database}",
            "GONG_VIEWS_DATA_DIR": str(tmp_path),
            "GONG_VIEWS_CONSOLE_USERS": str(tmp_path / "users.json"),
            "PYTHONUNBUFFERED": "1",
        }
        with (
            process(["gong_worker", "console", "--port", "0"], tmp_path / "log", environment) as running,
            httpx.Client(timeout=60) as client,
        ):
            found = wait_until(lambda: re.search(r"http://[0-9.]+:(\d+)", running.log), "the address")
            wait_until(lambda: answers(found[0]), "the console")

            def shown(path: str) -> str:
                answer = client.get(f"{found[0]}{path}")
                assert answer.status_code == 200
                return answer.text

            def connections() -> int:
                open_ones = psutil.Process(running.pid).net_connections(kind="tcp")
                return sum(bool(one.raddr) and one.raddr.port == server.port for one in open_ones)

            for _ in range(ROUNDS):
                for path in PAGES:
                    assert "gong-views migrate" in shown(path) or path == "/gate"
            assert "Open: calls are made." in shown("/gate")
            assert connections() <= MOST_CONNECTIONS
            server.kill()
            for path in ("/", "/gate"):  # a look is shown again for two seconds
                wait_until(lambda path=path: "refuses connections" in shown(path), "Redis to be missed")
            server.start()
            migrate(environment["DATABASE_URL"])
            wait_until(lambda: "Open: calls are made." in shown("/"), "the gate to be seen again")
            for path in PAGES:
                assert "gong-views migrate" not in shown(path)
            database.rename(tmp_path / "moved.db")
            for _ in range(ROUNDS):
                for path in PAGES:
                    shown(path)
            assert "the ledger" in shown("/audit")
            assert connections() <= MOST_CONNECTIONS
            assert "Traceback" not in running.log
