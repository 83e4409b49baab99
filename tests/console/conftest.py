"""One console a test process; for each module an empty queue and ledger, and a browser of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser

from gong_worker.ledger.models import METADATA
from tests.console.served import World, chromium, console
from tests.support.servers import valkey

# The tests' requests come through a trusted proxy when they say so.
PROXY = {"GONG_VIEWS_CONSOLE_TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A console on a Valkey and a SQLite ledger of its own."""
    folder: Path = tmp_path_factory.mktemp("console")
    with (
        valkey(appendfsync="no") as server,
        console(folder, server, f"sqlite:///{folder}/ledger.db", PROXY) as world,
    ):
        yield world


@pytest.fixture(scope="module")
def world(running: World) -> World:
    """The console with an empty queue and an empty ledger."""
    running.services.client.flushall()
    with running.services.ledger.engine.begin() as connection:
        for table in 2 * list(reversed(METADATA.sorted_tables)):  # the rows' triggers change the counters
            if table.name != "installation_keys":  # made by the migration alone
                connection.execute(sa.delete(table))
        connection.execute(sa.text("DELETE FROM sqlite_sequence"))
    return running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser of the module's own: Playwright keeps an event loop in the thread while it runs."""
    with chromium() as running:
        yield running
