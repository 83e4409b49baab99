"""`gong-views console` as a process for tests, with servers, users and a browser of its own."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from gong_worker.console.users import Role, User, Users, hash_password
from gong_worker.ledger import migrate
from gong_worker.operations.services import Services, open_services
from gong_worker.settings import WorkerSettings
from tests.support.processes import Process, process
from tests.support.servers import Valkey, wait_until

DOCS = Path(__file__).parents[2] / "docs"
PASSWORD = "a long enough password"
CHROMIUM = (
    os.environ.get("GONG_VIEWS_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
# How long the browser waits for what it is to see, in milliseconds.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


@dataclass
class World:
    """A console and what it shows. `services` is the same queue and ledger, for the test."""

    url: str
    services: Services
    users: Users
    process: Process
    environment: dict[str, str]


@contextmanager
def console(
    folder: Path, valkey: Valkey, database_url: str, environment: dict[str, str] | None = None
) -> Iterator[World]:
    """A running console with the users anna (operator), vera (viewer) and paula (viewer with payloads)."""
    migrate(database_url)
    users = Users(folder / "users.json")
    hashed = hash_password(PASSWORD)
    for user in (
        User("anna", Role.OPERATOR, False, hashed),
        User("vera", Role.VIEWER, False, hashed),
        User("paula", Role.VIEWER, True, hashed),
    ):
        users.add(user)
    variables = {
        "REDIS_URL": valkey.url,
        "DATABASE_URL": database_url,
        "GONG_VIEWS_DATA_DIR": str(folder),
        "GONG_VIEWS_CONSOLE_USERS": str(users.path),
        "PYTHONUNBUFFERED": "1",
        **(environment or {}),
    }
    with process(["gong_worker", "console", "--port", "0"], folder / "console.log", variables) as running:
        found = wait_until(lambda: re.search(r"http://[0-9.]+:(\d+)/", running.log), "the console's address")
        settings = WorkerSettings.load(REDIS_URL=valkey.url, DATABASE_URL=database_url)
        url = f"http://127.0.0.1:{found[1]}"
        wait_until(lambda: answers(url), "the console")
        yield World(url, open_services(settings), users, running, variables)


def answers(url: str) -> bool:
    """Whether the console there is alive."""
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, or a skip that says what is missing."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium, or name one in GONG_VIEWS_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def signed_in(
    browser: Browser, world: World, name: str, *, width: int = 1280, height: int = 900, dark: bool = False
) -> Iterator[Page]:
    """A page of a user who has signed in. Fails when the page broke a rule of its own policy, or asked elsewhere."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith((world.url, "data:")) else faults.append(request.url),
    )
    try:
        page.goto(f"{world.url}/login")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Overview", level=1).wait_for()
        connected(page)
        yield page
        assert faults == []
    finally:
        context.close()


def open_dialog(page: Page) -> Locator:
    """The dialog that is open: one that was just closed stays in the page, no longer modal, until it has faded."""
    return page.locator("[role=dialog][aria-modal=true]")


def connected(page: Page) -> None:
    """Wait for the page's websocket: a click before it stands is lost."""
    page.wait_for_function("window.did_handshake && window.socket.connected")


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page for the docs, when GONG_VIEWS_TEST_PICTURES is set."""
    if os.environ.get("GONG_VIEWS_TEST_PICTURES"):
        page.screenshot(path=DOCS / f"console-{name}.png", animations="disabled")
