"""Gate, events and audit in a real browser."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from gong_views import ViewQueue
from gong_worker.domain.audit import AuditAction
from gong_worker.ledger.models import ATTEMPTS
from tests.console.accessibility import faults
from tests.console.letters import insert, payload
from tests.console.served import World, connected, open_dialog, signed_in


@pytest.fixture(scope="module", autouse=True)
def letters(world: World) -> None:
    """Events that died, and one that waits."""
    insert(world.services.ledger, 60)
    ViewQueue(world.environment["REDIS_URL"]).enqueue(payload(500))


def open_page(page: Page, name: str) -> None:
    """Go to a page as a user would."""
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=name, level=1).wait_for()
    connected(page)


def tab_to(page: Page, label: str) -> None:
    """Press Tab until the field or button of that name has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("(document.activeElement.ariaLabel || document.activeElement.innerText)") == label:
            return
    raise AssertionError(f"{label} cannot be reached with the Tab key")


def test_the_gate_is_held_and_released_with_the_keyboard(browser: Browser, world: World) -> None:
    """Hold for so long with a reason, release, both by the keyboard alone; the audit page tells who did it."""
    with signed_in(browser, world, "anna") as page:
        open_page(page, "Gate")
        expect(page.locator(".state")).to_have_text("Open: calls are made.")
        assert faults(page) == []
        tab_to(page, "Why, for everyone to read")
        page.keyboard.type("Gong is being moved")
        tab_to(page, "Minutes; empty: until released")
        page.keyboard.type("30")
        tab_to(page, "Hold")
        page.keyboard.press("Enter")
        expect(page.locator(".state")).to_have_text("Held: no call is made.")
        expect(page.locator(".holds li")).to_contain_text("operator by anna, until")
        [hold] = world.services.gate.status().holds
        assert hold.by == "anna" and hold.until is not None
        tab_to(page, "Release")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Done: ended: operator.")).to_be_visible()
        expect(page.locator(".state")).to_have_text("Open: calls are made.")
        open_page(page, "Audit")
        row = page.get_by_role("row").filter(has_text="Gong is being moved")
        expect(row).to_contain_text("anna")
        assert faults(page) == []


def test_a_limit_is_set_and_unset(browser: Browser, world: World) -> None:
    """A limit counts for all workers at once; one that makes no sense is refused with the mend; a viewer sets none."""
    with signed_in(browser, world, "anna") as page:
        open_page(page, "Gate")
        page.get_by_label("New day_reserve").fill("20000")
        page.get_by_role("button", name="Set day_reserve", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("day_reserve")
        page.get_by_label("New day_reserve").fill("2000")
        page.get_by_role("button", name="Set day_reserve", exact=True).click()
        expect(page.get_by_text("2,000 kept for other integrations")).to_be_visible()
        assert world.services.gate.status().per_day_cap == 8_000
        page.get_by_role("button", name="Unset day_reserve", exact=True).click()
        expect(page.get_by_text("500 kept for other integrations")).to_be_visible()
    with signed_in(browser, world, "vera") as page:
        open_page(page, "Gate")
        expect(page.get_by_role("cell", name="day_reserve", exact=True)).to_be_visible()
        for name in ("Hold", "Release", "Set day_reserve"):
            expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    actions = {entry.action for entry in world.services.ledger.list_actions(limit=50, by="anna").entries}
    assert {AuditAction.LIMITS, AuditAction.UNSET_LIMITS} <= actions


def test_a_part_is_held_by_itself_and_dropped(browser: Browser, world: World) -> None:
    """One reporting system is held while the gate stays open; what is set aside can be dropped; it is released."""
    with signed_in(browser, world, "anna") as page:
        open_page(page, "Gate")
        page.get_by_label("What", exact=True).click()
        page.get_by_role("option", name="the events of one reporting system").click()
        page.get_by_label("Name of the reporting system or content").fill("crm-sync")
        page.get_by_label("Why, for everyone to read").fill("it sends nonsense")
        page.get_by_role("button", name="Hold", exact=True).click()
        row = page.get_by_role("row").filter(has_text="reporting system crm-sync")
        expect(row).to_contain_text("it sends nonsense")
        expect(page.locator(".state")).to_have_text("Open: calls are made.")
        row.get_by_role("button", name="Drop what is set aside of").click()
        open_dialog(page).get_by_label("Why").fill("a test")
        open_dialog(page).get_by_role("button", name="Drop", exact=True).click()
        expect(page.get_by_text("Done: dropped: 0 events of reporting system crm-sync")).to_be_visible()
        row.get_by_role("button", name="Release").click()
        expect(page.get_by_text("no part is held")).to_be_visible()
    actions = {entry.action for entry in world.services.ledger.list_actions(limit=50, by="anna").entries}
    assert {AuditAction.HOLD, AuditAction.DROP, AuditAction.RELEASE} <= actions


def test_events_are_searched_by_every_filter(browser: Browser, world: World) -> None:
    """Each filter of the command: a value that fits finds what another does not, a time from and a time before."""
    fields = {
        "Event id": ("view-3", "view-0"),
        "Gong's request id": ("request-of-view-3", "none"),
        "Content id": ("deck-3", "deck-9"),
        "Reporting system": ("portal", "crm"),
        "Source": ("backend", "other"),
        "Enqueued from (UTC)": ("2020-01-01T00:00", "2999-01-01T00:00"),
        "Enqueued before (UTC)": ("2999-01-01T00:00", "2020-01-01T00:00"),
    }
    choices = {"Status": ("dead", "delivered"), "Lane": ("live", "bulk")}
    with world.services.ledger.engine.begin() as connection:
        connection.execute(
            sa.insert(ATTEMPTS),
            {
                "event_id": "view-3", "reporting_system": "portal", "attempt_number": 1, "claim_token": "0" * 32,
                "started_at": datetime.now(UTC), "request_id": "request-of-view-3",
            },
        )  # fmt: skip
    with signed_in(browser, world, "vera") as page:
        open_page(page, "Events")
        where, search = page.locator(".pager > span"), page.get_by_role("button", name="Search")
        for label, values in (fields | choices).items():
            for value, found in zip(reversed(values), ("0 to 0", "1 to"), strict=True):
                field = page.get_by_label(label, exact=True)
                if label in choices:
                    field.click()
                    page.get_by_role("option", name=value, exact=True).click()
                else:
                    field.fill(value)
                search.click()
                expect(where).to_contain_text(found)
            if label in choices:
                page.get_by_label(label, exact=True).click()
                page.get_by_role("option", name="any", exact=True).click()
            else:
                page.get_by_label(label, exact=True).fill("")
        page.get_by_label("Enqueued from (UTC)").fill("2026-07-02T00:00")
        page.get_by_label("Enqueued before (UTC)").fill("2026-07-01T00:00")
        search.click()
        expect(page.get_by_role("alert")).to_contain_text("the time ends before it begins")


def test_an_event_is_found_and_its_story_told(browser: Browser, world: World) -> None:
    """By content and by id, page by page; its timeline; and one that no worker has seen, in the queue."""
    with signed_in(browser, world, "vera", width=390, height=844) as page:
        open_page(page, "Events")
        expect(page.locator(".pager > span")).to_contain_text("1 to 50")
        page.get_by_role("button", name="Next").click()
        expect(page.locator(".pager > span")).to_contain_text("51 to 60")
        page.get_by_label("Content id").fill("deck-3")
        page.keyboard.press("Enter")
        expect(page.locator(".pager > span")).to_contain_text("1 to 9")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert faults(page) == []
        page.get_by_role("button", name="Show event portal/view-3", exact=True).click()
        dialog = open_dialog(page)
        expect(dialog.get_by_role("row").filter(has_text="dead letter 3")).to_contain_text("rejected")
        assert faults(page, "[role=dialog][aria-modal=true]") == []
        dialog.get_by_role("button", name="Close").click()
        page.get_by_label("Content id").fill("")
        page.get_by_label("Event id").fill("view-500")
        page.get_by_role("button", name="Search").click()
        page.get_by_role("button", name="Find this event id in the queue too").click()
        expect(dialog).to_contain_text("queued")
        expect(dialog.get_by_role("row").filter(has_text="live").last).to_be_visible()


def test_what_was_refused_can_be_read(browser: Browser, world: World) -> None:
    """The refusal of an action outlasts the page's refreshes, and goes with the next action that is done."""
    with signed_in(browser, world, "anna") as page:
        open_page(page, "Gate")
        page.get_by_role("button", name="Hold", exact=True).click()
        problem = page.get_by_role("alert")
        expect(problem).to_contain_text("say why")
        world.services.gate.hold("a test", "otto")
        expect(page.locator(".state")).to_have_text("Held: no call is made.")
        world.services.gate.release(by="otto")
        expect(page.locator(".state")).to_have_text("Open: calls are made.")
        expect(problem).to_contain_text("say why")
        page.get_by_role("button", name="Release", exact=True).click()
        expect(page.get_by_text("Done: nothing was held")).to_be_visible()
        expect(problem).to_be_hidden()
