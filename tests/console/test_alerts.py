"""Alerts and the reconciliation in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from gong_worker.domain.audit import AuditAction
from gong_worker.queue.alerts import AlertBoard
from tests.console.accessibility import faults
from tests.console.letters import insert
from tests.console.served import World, console, open_dialog, signed_in
from tests.support.inbox import inbox
from tests.support.servers import valkey

DIALOG = "[role=dialog][aria-modal=true]"


@pytest.fixture(scope="module", autouse=True)
def letters(world: World) -> None:
    """Letters of events that were never enqueued: a drift."""
    insert(world.services.ledger, 30)


def test_alerts_that_stand_are_shown(browser: Browser, world: World) -> None:
    """Each with since when and whether it was told."""
    AlertBoard(world.services.client).stands("a1b2c3d4", "no_worker", "no worker is alive; 3 events wait", 0)
    with signed_in(browser, world, "vera") as page:
        page.get_by_role("button", name="Alerts …").click()
        row = open_dialog(page).get_by_role("row").filter(has_text="no_worker")
        expect(row).to_contain_text("no worker is alive; 3 events wait")
        expect(row).to_contain_text("not yet")
        expect(open_dialog(page).get_by_role("button", name="Send a test")).to_have_count(0)


def test_without_an_address_no_test_is_sent(browser: Browser, world: World) -> None:
    """The page says which setting is missing, and that nothing was sent."""
    with signed_in(browser, world, "anna") as page:
        page.get_by_role("button", name="Alerts …").click()
        dialog = open_dialog(page)
        dialog.get_by_role("button", name="Send a test").click()
        expect(page.get_by_role("alert").filter(has_text="set GONG_VIEWS_ALERT_URLS")).to_be_visible()
        expect(dialog).to_contain_text("Nothing was sent.")


def test_a_test_message_is_sent_to_every_address(browser: Browser, tmp_path: Path) -> None:
    """An operator sends it, and sees for each address whether it got through; no address stands in the page."""
    with inbox() as box, inbox() as broken, valkey(appendfsync="no") as server:
        broken.failing = True
        urls = {"GONG_VIEWS_ALERT_URLS": f"{box.address} {broken.address}"}
        with (
            console(tmp_path, server, f"sqlite:///{tmp_path}/ledger.db", urls) as own,
            signed_in(browser, own, "anna", width=390, height=844) as page,
        ):
            page.get_by_role("button", name="Alerts …").click()
            dialog = open_dialog(page)
            dialog.get_by_role("button", name="Send a test").click()
            expect(dialog).to_contain_text("Sent; to 1 of 2 it did not get through.")
            rows = dialog.get_by_role("region", name="What came of it").locator("tbody tr")
            expect(rows.nth(0)).to_contain_text("yes")
            expect(rows.nth(1)).to_contain_text("no")
            assert "/hook" not in page.content()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert faults(page, DIALOG) == []
        assert "gong-views: test" in box.titles


def test_drift_is_told_and_written_off_by_an_operator(browser: Browser, world: World) -> None:
    """The sums, the drift, and for a viewer no more; an operator writes it off with a reason, which the audit keeps."""
    with signed_in(browser, world, "vera") as page:
        page.get_by_role("button", name="Reconcile …").click()
        dialog = open_dialog(page)
        expect(dialog).to_contain_text("Drift: see below.")
        drift = dialog.get_by_role("region", name="Drift (positive").locator("tbody tr")
        expect(drift).to_contain_text("live")
        expect(dialog.get_by_role("button")).to_have_count(1)
        assert faults(page, DIALOG) == []
    with signed_in(browser, world, "anna") as page:
        page.get_by_role("button", name="Reconcile …").click()
        dialog = open_dialog(page)
        dialog.get_by_role("button", name="Write off the drift").click()
        expect(page.get_by_role("alert").filter(has_text="say why")).to_be_visible()
        dialog.get_by_label("Why it is to be written off").fill("a ledger from a backup")
        assert faults(page, DIALOG) == []
        dialog.get_by_role("button", name="Write off the drift").click()
        expect(dialog).to_contain_text("Written off")
        dialog.get_by_role("button", name="Close").click()
        page.get_by_role("button", name="Reconcile …").click()
        expect(open_dialog(page)).to_contain_text("Yes: no drift.")
    [entry] = world.services.ledger.list_actions(limit=9, action=AuditAction.WRITE_OFF).entries
    assert (entry.by, entry.count, entry.reason) == ("anna", 30, "a ledger from a backup")
