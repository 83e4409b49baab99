"""One console, one SQLite ledger and one browser for the tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.console.served import World, chromium, console
from tests.support.servers import valkey

# The tests' requests come through a trusted proxy when they say so.
PROXY = {"GONG_VIEWS_CONSOLE_TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A console with an empty queue and an empty ledger."""
    folder: Path = tmp_path_factory.mktemp("console")
    with (
        valkey(appendfsync="no") as server,
        console(folder, server, f"sqlite:///{folder}/ledger.db", PROXY) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser of the module's own: Playwright keeps an event loop in the thread while it runs."""
    with chromium() as running:
        yield running
