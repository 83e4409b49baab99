"""The first page, in a real browser."""

import re

from playwright.sync_api import Browser, expect

from gong_worker.operations import gate
from tests.console.accessibility import faults
from tests.console.letters import insert, insert_attempts
from tests.console.served import World, picture, signed_in


def test_the_overview_tells_of_a_hold_without_a_reload(browser: Browser, world: World) -> None:
    """The gate in words, a hold with its end as soon as somebody holds, and open again when it is released.

    The chart has the attempts of the last day, by how they ended.
    """
    insert(world.services.ledger, 30)
    attempts = insert_attempts(world.services.ledger)
    with signed_in(browser, world, "vera") as page:
        state = page.locator(".state")
        expect(state).to_have_text("Open: calls are made.")
        expect(page.get_by_text("kept for other integrations")).to_be_visible()
        chart = page.get_by_role("img", name="Attempts of the last 24 hours")
        label = str(chart.get_attribute("aria-label"))
        assert sum(map(int, re.findall(r"(\d+) [a-z-]+(?:,|;)", label))) == attempts, label
        before = page.locator(".cards").bounding_box()
        gate.hold(world.services, "maintenance at Gong", by="anna", for_seconds=600)
        expect(state).to_have_text("Held: no call is made.")
        hold = page.locator(".holds li")
        expect(hold).to_contain_text("operator by anna, until")
        expect(hold).to_contain_text("maintenance at Gong")
        assert page.locator(".cards").bounding_box() == before
        picture(page, "overview")
        gate.release(world.services, by="anna")
        expect(state).to_have_text("Open: calls are made.")
        assert faults(page) == []


def test_the_overview_fits_a_phone_in_both_schemes(browser: Browser, world: World) -> None:
    """At 390 pixels nothing is cut off or scrolled sideways, and axe-core finds no serious fault, light or dark."""
    for dark in (False, True):
        with signed_in(browser, world, "vera", width=390, height=844, dark=dark) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert faults(page) == []
            if dark:
                picture(page, "phone")


def test_a_removed_user_is_signed_out_at_once(browser: Browser, world: World) -> None:
    """An open page of a user who is removed goes to the login by itself."""
    paula = world.users.get("paula")
    assert paula is not None
    with signed_in(browser, world, "paula") as page:
        world.users.remove("paula")
        page.wait_for_url("**/login")
        world.users.add(paula)
        page.goto(world.url)
        expect(page.get_by_label("Password")).to_be_visible()
