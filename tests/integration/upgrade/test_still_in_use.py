"""Going back to an earlier schema while something of this release still uses the ledger."""

import re
from pathlib import Path

import httpx
import pytest

from gong_worker.ledger import check_schema, migrate, open_engine
from gong_worker.ledger.others import others_connected
from gong_worker.operations.going_back import CannotGoBack, go_back, plan
from tests.integration.upgrade.support import Start
from tests.support.previous import SCHEMA
from tests.support.processes import Process, process
from tests.support.servers import wait_until

ASKED = {
    "serve": ("/v1/views", "/v1/events"),
    "console": ("/", "/"),
}
"""Where each says that it is, and what of it asks the ledger."""


def address(server: Process, ending: str) -> str:
    found = wait_until(lambda: re.search(rf"(http://[0-9.:]+){ending}\n", server.log), "the address", 60)
    return str(found[1])


@pytest.mark.parametrize("command", ASKED)
def test_a_server_is_in_the_way(database_url: str, line: Start, tmp_path: Path, command: str) -> None:
    """A `serve` or console that uses the ledger is named, or on SQLite told of; once it has ended the way is free."""
    migrate(database_url)
    used = line(database_url)
    used.let_go()
    settings, ending, path = used.services.settings, *ASKED[command]
    environment = {"PYTHONUNBUFFERED": "1", **used.environment}
    with process(["gong_worker", command, "--port", "0"], tmp_path / "server.log", environment) as server:
        url = address(server, ending)
        assert httpx.get(f"{url}{path}", timeout=60).status_code == 200
        named = f"gong-views {command}" if "postgres" in database_url else "ledger.db open"
        for attempt in (plan, go_back):
            with pytest.raises(CannotGoBack, match=named):
                attempt(settings, SCHEMA)
        server.terminate()
    wait_until(lambda: others_connected(database_url) == [], "its connections to be gone")
    go_back(settings, SCHEMA)
    migrate(database_url)
    check_schema(open_engine(database_url))


def test_whoever_else_is_connected(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is not ours is told of on SQLite only, where it cannot be told from one of ours."""
    monkeypatch.delenv("PGAPPNAME", raising=False)  # of a command that another test ran in this process
    migrate(database_url)
    assert others_connected(database_url) == []
    other = open_engine(database_url)
    with other.connect():
        pass
    found = others_connected(database_url)
    assert bool(found) == database_url.startswith("sqlite")
    other.dispose()
    assert others_connected(database_url) == []
