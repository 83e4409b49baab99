"""The first page, in a real browser."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

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


def sizes(page: Page, bar: int) -> dict[str, float]:
    """The share of a bar that each of its segments has."""
    found: dict[str, float] = (
        page.locator(".bar")
        .nth(bar)
        .evaluate(
            "bar => Object.fromEntries([...bar.children].map("
            "part => [part.className, part.offsetWidth / bar.clientWidth]))"
        )
    )
    return found


def test_the_bars_show_what_is_ours_and_what_is_left_to_others(browser: Browser, world: World) -> None:
    """The day's reserve, and of each second what live and bulk may use, what a 429 has left to others, the reserve."""
    by = {"by": "anna"}
    gate.set_limits(world.services, calls_per_second=8, day_reserve=2_500, reserve_per_second=2, **by)
    gate.set_limits(world.services, bulk_reserve_per_second=4, **by)
    try:
        with signed_in(browser, world, "vera") as page:
            legend = page.locator(".bar + .legend")
            expect(legend.nth(0)).to_contain_text("2,500 kept for other integrations")
            used = world.services.gate.status().last_24h / 10_000
            assert sizes(page, 0) == pytest.approx(
                {"used": used, "left": 0.75 - used, "reserve": 0.25}, abs=0.01
            )
            expect(legend.nth(1)).to_contain_text("2 more for live events")
            assert sizes(page, 1) == pytest.approx(
                {"bulk": 0.5, "live-alone": 0.25, "others": 0, "reserve": 0.25}, abs=0.01
            )
            expect(page.get_by_role("img", name="4 each second for live events or bulk")).to_be_visible()
            client = world.services.client
            now = 1_000_000 * int(client.time()[0])
            learned = {"share": 3, "rate_at": now, "decreased_at": now, "dwell": 600_000_000}
            client.hset("{gong-views.gate}:state", mapping=learned)  # as after two 429s within seconds
            expect(legend.nth(1)).to_contain_text("3 left to others after a 429")
            assert sizes(page, 1) == pytest.approx(
                {"bulk": 0.375, "live-alone": 0, "others": 0.375, "reserve": 0.25}, abs=0.01
            )
            expect(page.get_by_text("Others use the limit too: the latest 429 came at")).to_be_visible()
            assert faults(page) == []
    finally:
        world.services.client.delete("{gong-views.gate}:state")
        gate.unset_limits(world.services, **by)


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
