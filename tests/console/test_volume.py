"""100,000 dead letters in a real browser."""

import pytest
from playwright.sync_api import Browser, expect

from tests.console.letters import insert, multiply
from tests.console.served import World, connected, open_dialog, signed_in

MANY = 100_000


@pytest.fixture(scope="module", autouse=True)
def letters(world: World) -> None:
    """As many letters, in three groups."""
    insert(world.services.ledger, 4)
    multiply(world.services.ledger, MANY - 4)


def test_a_hundred_thousand_letters_are_paged_by_the_server(browser: Browser, world: World) -> None:
    """Fifty rows go to the browser at a time; the groups count all; a group's pages are found as well."""
    with signed_in(browser, world, "anna") as page:
        page.goto(f"{world.url}/dead-letters")
        connected(page)
        where, rows = (
            page.locator(".pager > span"),
            page.locator("tbody tr", has=page.get_by_role("checkbox")),
        )
        expect(where).to_have_text("1 to 50 of 100,000")
        expect(rows).to_have_count(50)
        groups = page.get_by_role("region", name="Letters that failed alike").locator("tbody tr")
        expect(groups).to_have_count(3)
        counts = [int(text.split()[0].replace(",", "")) for text in groups.all_inner_texts()]
        assert sum(counts) == MANY
        page.get_by_role("button", name="Next").click()
        expect(where).to_have_text("51 to 100 of 100,000")
        groups.first.get_by_role("button").click()
        expect(where).to_have_text(f"1 to 50 of {counts[0]:,}")
        page.get_by_role("button", name="Replay …", exact=True).click()
        expect(open_dialog(page)).to_contain_text(f"{counts[0]:,} dead letters: {counts[0]:,} calls")
