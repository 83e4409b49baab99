"""What producers and Gong write is text on every page, whatever it holds."""

import pytest
from playwright.sync_api import Browser, expect

from gong_views import ViewQueue
from tests.console.letters import payload
from tests.console.served import World, connected, open_dialog, signed_in

# A quote ends an attribute in NiceGUI's props, and a prop that begins with a colon is run as JavaScript.
HOSTILE = (
    'x" :z="(window.ran=1)" style="color:red" onclick="window.ran=1" <img src=x onerror=window.ran=1> {{7*7}}'
)


@pytest.mark.parametrize(("path", "name"), [("/events", "Events"), ("/gate", "Gate")])
def test_ids_of_producers_never_become_code(browser: Browser, world: World, path: str, name: str) -> None:
    """An event id or a content id with quotes, props, HTML and templates is shown as it is, also as a dialog's name."""
    ViewQueue(world.environment["REDIS_URL"]).enqueue(payload(1) | {"eventId": HOSTILE, "contentId": HOSTILE})
    with signed_in(browser, world, "anna") as page:
        page.goto(world.url + path)
        page.get_by_role("heading", name=name, level=1).wait_for()
        connected(page)
        if path == "/events":
            page.get_by_label("Event id").fill(HOSTILE)
            page.get_by_role("button", name="Search").click()
            page.get_by_role("button", name="Find this event id in the queue too").click()
        else:
            page.get_by_label("What", exact=True).click()
            page.get_by_role("option", name="the events of one content").click()
            page.get_by_label("Name of the reporting system or content").fill(HOSTILE)
            page.get_by_label("Why, for everyone to read").fill(HOSTILE)
            page.get_by_role("button", name="Hold", exact=True).click()
            row = page.get_by_role("row").filter(has_text=HOSTILE)
            expect(row).to_contain_text("until released")
            row.get_by_role("button", name="Drop what is set aside of").click()
        dialog = open_dialog(page)
        expect(dialog.get_by_role("heading", level=2)).to_contain_text(HOSTILE)
        assert HOSTILE in (dialog.get_attribute("aria-label") or "")
        assert page.evaluate("window.ran") is None
        assert not dialog.get_attribute("style")
