"""Files of dead letters, calls as they end, what waits and the theme, in a real browser."""

import csv
import json
import re

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from gong_views import ViewQueue
from gong_views.message import parse
from gong_views.names import Lane
from gong_worker.domain.audit import AuditAction
from tests.console.accessibility import faults
from tests.console.letters import insert, payload
from tests.console.served import World, connected, open_dialog, signed_in
from tests.integration.cli.letters import bury
from tests.support.views import view


@pytest.fixture(scope="module", autouse=True)
def letters(world: World) -> None:
    """Letters of three kinds, and an event that waits."""
    insert(world.services.ledger, 30)
    ViewQueue(world.environment["REDIS_URL"]).enqueue(payload(500))


def go_to(page: Page, name: str) -> None:
    """Go to a page as a user would."""
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=name, level=1).wait_for()
    connected(page)


def download(page: Page, kind: str) -> tuple[str, str, str]:
    """The file's text, its name and its address."""
    page.get_by_role("button", name="Export …").click()
    with page.expect_download() as coming:
        open_dialog(page).get_by_role("button", name=kind).click()
    return coming.value.path().read_text(), coming.value.suggested_filename, coming.value.url


def test_a_selection_is_exported_by_who_may_see_payloads(browser: Browser, world: World) -> None:
    """The selected letters as JSON lines, all of the filter as CSV; each in the audit; fetched once, by nobody else."""
    with signed_in(browser, world, "paula") as page:
        go_to(page, "Dead letters")
        for number in (6, 9):
            page.get_by_role("checkbox", name=f"Select letter {number}", exact=True).click()
        expect(page.get_by_text("2 selected")).to_be_visible()
        text, name, url = download(page, "JSON lines")
        lines = [json.loads(line) for line in text.splitlines()]
        assert name == "dead-letters.jsonl"
        assert [(line["id"], line["payload"]["eventId"]) for line in lines] == [(6, "view-6"), (9, "view-9")]
        again = page.request.get(url)
        assert (again.status, "over" in again.text()) == (403, True)
        page.get_by_role("checkbox", name="Select letter 6", exact=True).click()
        page.get_by_role("checkbox", name="Select letter 9", exact=True).click()
        text, name, _ = download(page, "CSV")
        assert (name, len(list(csv.DictReader(text.splitlines())))) == ("dead-letters.csv", 30)
        expect(page.get_by_role("button", name="Replay …", exact=True)).to_have_count(0)
    entries = world.services.ledger.list_actions(limit=9, action=AuditAction.EXPORT).entries
    assert [(one.by, one.count) for one in entries] == [("paula", 30), ("paula", 2)]
    assert httpx.get(f"{world.url}/download/nonsense").status_code == 303
    with signed_in(browser, world, "vera") as page:
        go_to(page, "Dead letters")
        expect(page.get_by_role("cell", name="portal/view-6", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="Export …")).to_have_count(0)
        assert page.request.get(f"{world.url}/download/nonsense").status == 403


def test_calls_are_followed_as_they_end(browser: Browser, world: World) -> None:
    """A call shows within seconds without a reload, nothing on the page moves, and it stops when told to."""
    with signed_in(browser, world, "vera", width=390, height=844) as page:
        go_to(page, "Events")
        page.get_by_role("button", name="Follow").click()
        live = page.locator(".live")
        expect(live).to_be_visible()
        expect(live).to_contain_text("no call has ended since")
        before = live.bounding_box()
        bury(world.services.ledger, [view(700 + number) for number in range(5)], lambda _: "no")
        expect(live.get_by_role("row").filter(has_text="content-hub/view-704")).to_contain_text(
            "rejected 400"
        )
        assert live.bounding_box() == before
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert faults(page) == []
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("Off. 5 calls were seen.")).to_be_visible()


def test_followed_calls_are_chosen_by_answer_and_beginning(browser: Browser, world: World) -> None:
    """From minutes ago on, and of one answer alone, as the command has it; a change begins anew."""
    bury(world.services.ledger, [view(800)], lambda _: "no")
    with signed_in(browser, world, "vera") as page:
        go_to(page, "Events")
        page.get_by_label("Begin").click()
        page.get_by_role("option", name="10 minutes ago").click()
        page.get_by_role("button", name="Follow").click()
        row = page.locator(".live").get_by_role("row").filter(has_text="content-hub/view-800")
        expect(row).to_contain_text("rejected 400")
        page.get_by_label("Answer").click()
        page.get_by_role("option", name="throttled").click()
        expect(page.locator(".live")).to_contain_text("no call has ended since")
        expect(row).to_have_count(0)
        page.get_by_label("Answer").click()
        page.get_by_role("option", name="rejected").click()
        expect(row).to_be_visible()


def test_what_waits_is_shown(browser: Browser, world: World) -> None:
    """The next messages of the lane that is chosen."""
    with signed_in(browser, world, "vera") as page:
        page.get_by_role("button", name="What waits …").click()
        dialog = open_dialog(page)
        expect(dialog.get_by_role("row").filter(has_text="portal/view-500")).to_contain_text("deck-3")
        assert faults(page, "[role=dialog][aria-modal=true]") == []
        dialog.get_by_label("Where").click()
        page.get_by_role("option", name="waiting for another try").click()
        expect(dialog).to_contain_text("none waits")


def test_the_theme_is_chosen_and_kept(browser: Browser, world: World) -> None:
    """The system's at first; a chosen one counts at once, on the next page and after a reload, and is accessible."""
    with signed_in(browser, world, "vera", dark=True) as page:
        scheme = "getComputedStyle(document.documentElement).colorScheme"
        theme = page.get_by_role("button", name="Theme:")
        expect(theme).to_have_text("Theme: system")
        expect(page.locator("body.body--dark")).to_have_count(1)
        theme.click()
        expect(theme).to_have_text("Theme: light")
        expect(page.locator("body.body--dark")).to_have_count(0)
        go_to(page, "Gate")
        expect(theme).to_have_text("Theme: light")
        assert page.evaluate(scheme) == "light"
        assert faults(page) == []
        theme.press("Enter")
        expect(theme).to_have_text("Theme: dark")
        page.reload()
        connected(page)
        assert page.evaluate(scheme) == "dark"
        expect(page.locator("body.body--dark")).to_have_count(1)
        assert faults(page) == []
        theme.click()
        expect(theme).to_have_text("Theme: system")


def test_an_urgent_letter_goes_to_the_live_lane(browser: Browser, world: World) -> None:
    """The lane is chosen in the dialog, which reckons anew before anything happens."""
    with signed_in(browser, world, "anna") as page:
        go_to(page, "Dead letters")
        page.get_by_role("checkbox", name="Select letter 12", exact=True).click()
        page.get_by_role("button", name="Replay …", exact=True).click()
        dialog = open_dialog(page)
        dialog.get_by_label("To the lane").click()
        page.get_by_role("option", name="live: goes first").click()
        expect(dialog.get_by_label("To the lane")).to_have_value("live: goes first")
        assert faults(page, "[role=dialog][aria-modal=true]") == []
        dialog.get_by_role("button", name="Replay 1", exact=True).click()
        expect(dialog).to_contain_text("1 replayed.")
    newest = parse(world.services.client.lindex(Lane.LIVE.queue, 0))
    assert newest.replay_of == 12


def test_what_to_press_is_in_sight_at_200_percent(browser: Browser, world: World) -> None:
    """Zoomed to twice the size, the links stand in a line, and a long difference hides no button of its dialog."""
    with signed_in(browser, world, "anna", width=640, height=450) as page:
        go_to(page, "Dead letters")
        links = [link.bounding_box() for link in page.get_by_role("navigation").get_by_role("link").all()]
        assert len({box["y"] for box in links if box}) == 1
        page.get_by_role("button", name="Edit and replay …").click()
        open_dialog(page).get_by_label("Set:").fill("contentTitle=New")
        open_dialog(page).get_by_role("button", name="Show the difference").click()
        expect(open_dialog(page).get_by_role("heading", level=3)).to_have_count(10)
        expect(open_dialog(page).get_by_role("button", name=re.compile("^Replay"))).to_be_in_viewport(ratio=1)
        assert faults(page, "[role=dialog][aria-modal=true]") == []
