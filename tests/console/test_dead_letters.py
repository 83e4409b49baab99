"""Dead letters in a real browser: by group, replayed, edited, discarded."""

import json

import pytest
from playwright.sync_api import Browser, Page, expect

from gong_views import message
from gong_views.names import Lane
from gong_worker.domain.audit import AuditAction
from gong_worker.ledger import AuditEntry, DeadLetterFilter
from tests.console.accessibility import faults
from tests.console.letters import insert, payload
from tests.console.served import World, connected, open_dialog, picture, signed_in

EACH = 300


@pytest.fixture(scope="module", autouse=True)
def letters(world: World) -> None:
    """Three groups of letters that failed alike."""
    insert(world.services.ledger, 3 * EACH)


def open_letters(page: Page) -> None:
    """Go to the page as a user would."""
    page.get_by_role("link", name="Dead letters").click()
    page.get_by_role("heading", name="Dead letters", level=1).wait_for()
    page.get_by_text("Letters that failed alike").wait_for()
    connected(page)


def choose_group(page: Page, kind: str) -> None:
    """The group whose words those are, and wait until its letters alone are meant."""
    groups = page.get_by_role("region", name="Letters that failed alike")
    groups.get_by_role("row").filter(has_text=kind).get_by_role("button").click()
    expect(page.locator(".pager > span")).to_contain_text(f"of {EACH}")


def queued(world: World) -> list[message.Envelope]:
    """What is on the bulk lane, the oldest first."""
    return [message.parse(raw) for raw in reversed(world.services.client.lrange(Lane.BULK.queue, 0, -1))]


def audit(world: World, action: AuditAction) -> list[AuditEntry]:
    """What was done, the latest first."""
    return world.services.ledger.list_actions(limit=50, action=action).entries


def test_a_group_is_replayed_with_its_cost_first(browser: Browser, world: World) -> None:
    """Four clicks: the group, replay, the cost and what is left of the day, done; with progress, and in the audit.

    Then it is taken back while it waits, and its letters are open again.
    """
    with signed_in(browser, world, "anna") as page:
        open_letters(page)
        assert faults(page) == []
        picture(page, "dead-letters")
        choose_group(page, "contentId … is not known")
        page.evaluate(
            "window.seen = []; new MutationObserver(() => document.querySelectorAll('progress').forEach("
            "bar => seen.push(bar.max))).observe(document.body, {childList: true, subtree: true})"
        )
        page.get_by_role("button", name="Replay …", exact=True).click()
        dialog = open_dialog(page)
        expect(dialog).to_contain_text(f"{EACH} dead letters: {EACH} calls of 9,500 left today")
        assert queued(world) == []
        assert faults(page, "[role=dialog][aria-modal=true]") == []
        dialog.get_by_role("button", name=f"Replay {EACH}").click()
        expect(dialog).to_contain_text(f"{EACH} replayed.")
        assert EACH in page.evaluate("window.seen")
        assert len(queued(world)) == EACH
        dialog.get_by_role("button", name="Close").click()
        expect(page.locator(".pager > span")).to_contain_text("of 0")
        [entry] = audit(world, AuditAction.REPLAY)
        assert (entry.by, entry.count) == ("anna", EACH)
        page.get_by_role("button", name="Show replays").click()
        expect(page.get_by_text(f"{EACH} wait, 100 of them shown")).to_be_visible()
        page.get_by_role("button", name="Cancel all …").click()
        open_dialog(page).get_by_role("button", name=f"Cancel {EACH}").click()
        expect(open_dialog(page)).to_contain_text(f"{EACH} cancelled.")
        assert queued(world) == []
        assert world.services.ledger.count_dead_letters(DeadLetterFilter())[0] == 3 * EACH


def test_one_event_is_edited_and_replayed(browser: Browser, world: World) -> None:
    """Its payload as JSON, the difference before it goes, the original kept; a wrong edit sends nothing."""
    wrong, right = payload(3), payload(3)
    del wrong["contentId"]
    right["viewer"]["email"] = "team@globex.example"
    with signed_in(browser, world, "anna") as page:
        open_letters(page)
        page.get_by_label("Content id").fill("deck-3")
        page.keyboard.press("Enter")
        expect(page.locator(".pager > span")).not_to_contain_text(f"of {3 * EACH}")
        page.get_by_role("button", name="Show letter 3", exact=True).click()
        dialog = open_dialog(page)
        expect(dialog).to_contain_text("`viewer.email` is not valid: person3@customer.example")
        assert faults(page, "[role=dialog][aria-modal=true]") == []
        for event in (wrong, right):
            if event is right:
                dialog.get_by_role("button", name="Close").click()
                page.get_by_role("button", name="Show letter 3", exact=True).click()
            dialog.locator(".cm-content").click()
            page.keyboard.press("Control+A")
            page.keyboard.insert_text(json.dumps(event))
            dialog.get_by_role("button", name="Show the difference").click()
            if event is wrong:
                expect(dialog).to_contain_text("Nothing is sent: 1 would be no valid event.")
                expect(dialog.get_by_role("button", name="Replay 1")).to_have_count(0)
        difference = dialog.locator(".difference")
        expect(difference).to_contain_text("viewer.email")
        expect(difference.locator(".before")).to_contain_text("person3@customer.example")
        expect(difference.locator(".after")).to_contain_text("team@globex.example")
        picture(page, "edit")
        dialog.get_by_role("button", name="Replay 1", exact=True).click()
        expect(dialog).to_contain_text("1 replayed.")
    [sent] = queued(world)
    assert sent.event["viewer"]["email"] == "team@globex.example" and sent.replay_of == 3
    assert world.services.ledger.get_dead_letter(3).payload["viewer"]["email"] == "person3@customer.example"
    [entry] = audit(world, AuditAction.EDIT)
    assert (entry.by, entry.count) == ("anna", 1)
    assert {one.by for one in audit(world, AuditAction.SHOW)} == {"anna"}


def test_a_field_of_many_is_edited_at_once(browser: Browser, world: World) -> None:
    """Two selected letters get one change, are shown with their difference and sent; a third is discarded with why."""
    with signed_in(browser, world, "anna") as page:
        open_letters(page)
        for number in (6, 9):
            page.get_by_role("checkbox", name=f"Select letter {number}", exact=True).click()
        expect(page.get_by_text("2 selected")).to_be_visible()
        page.get_by_role("button", name="Edit and replay …").click()
        dialog = open_dialog(page)
        dialog.get_by_label("Set:").fill("viewer.email=team@globex.example")
        dialog.get_by_role("button", name="Show the difference").click()
        expect(dialog.locator(".difference")).to_have_count(2)
        dialog.get_by_role("button", name="Replay 2").click()
        expect(dialog).to_contain_text("2 replayed.")
        dialog.get_by_role("button", name="Close").click()
        page.get_by_role("checkbox", name="Select letter 12", exact=True).click()
        page.get_by_role("button", name="Discard …").click()
        dialog.get_by_label("Why").fill("a test")
        dialog.get_by_role("button", name="Go on").click()
        dialog.get_by_role("button", name="Discard 1").click()
        expect(dialog).to_contain_text("1 discarded.")
    assert [sent.event["viewer"]["email"] for sent in queued(world)[-2:]] == ["team@globex.example"] * 2
    assert audit(world, AuditAction.EDIT)[0].details == {"set": ["viewer.email"], "unset": []}
    assert (
        audit(world, AuditAction.DISCARD)[0].reason,
        world.services.ledger.get_dead_letter(12).payload,
    ) == (
        "a test",
        None,
    )


def test_a_viewer_gets_no_payload_and_changes_nothing(browser: Browser, world: World) -> None:
    """Nothing personal goes to a viewer's browser, no button changes anything; with the grant a look is audited."""
    with signed_in(browser, world, "vera") as page:
        frames: list[str] = []
        page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(str(data))))
        open_letters(page)
        expect(page.get_by_role("cell", name="portal/view-15", exact=True)).to_be_visible()
        choose_group(page, "eventTimestamp is in the future")
        for name in ("Replay …", "Edit and replay …", "Discard …", "Show replays", "Show letter 15"):
            expect(page.get_by_role("button", name=name)).to_have_count(0)
        expect(page.get_by_label("Contains")).to_have_count(0)
        assert frames and not any("customer.example" in text for text in (*frames, page.content()))
    with signed_in(browser, world, "paula") as page:
        open_letters(page)
        page.get_by_role("button", name="Show letter 15", exact=True).click()
        expect(open_dialog(page)).to_contain_text("person15@customer.example")
        expect(open_dialog(page).get_by_role("button")).to_have_count(1)
    latest = audit(world, AuditAction.SHOW)[0]
    assert (latest.by, latest.target) == ("paula", {"ids": [15]})


def test_a_role_taken_away_counts_on_an_open_page(browser: Browser, world: World) -> None:
    """Who was an operator when the page was opened, and is none now, is refused by the server."""
    anna = world.users.get("anna")
    assert anna is not None
    before = len(queued(world))
    with signed_in(browser, world, "anna") as page:
        open_letters(page)
        page.get_by_role("button", name="Replay …", exact=True).click()
        confirm = open_dialog(page).get_by_role("button", name="Replay ")
        confirm.wait_for()
        vera = world.users.get("vera")
        assert vera is not None
        world.users.add(type(anna)("anna", vera.role, password_hash=anna.password_hash))
        confirm.click()
        expect(page.get_by_text("only an operator may do this")).to_be_visible()
    world.users.add(anna)
    assert len(queued(world)) == before


def test_a_group_that_never_was_is_told(browser: Browser, world: World) -> None:
    """A slip in the field Group says so, and no letter of the filter before stays on the page."""
    with signed_in(browser, world, "anna") as page:
        open_letters(page)
        page.get_by_label("Group", exact=True).fill("3f0c9a1b2x")
        page.get_by_role("button", name="Apply").click()
        expect(page.get_by_role("alert")).to_contain_text("there is no group '3f0c9a1b2x'")
        expect(page.locator(".pager > span")).to_contain_text("of 0")
        page.get_by_role("button", name="Clear").click()
        expect(page.get_by_role("alert")).to_be_hidden()


def test_esc_closes_a_dialog_that_has_nothing_to_lose(browser: Browser, world: World) -> None:
    """The first field has the focus; Esc closes, but not an editor, and a click beside it closes nothing."""
    with signed_in(browser, world, "anna") as page:
        open_letters(page)
        page.get_by_label("Content id").fill("no such content")
        page.keyboard.press("Enter")
        expect(page.locator(".pager > span")).to_have_text("0 to 0 of 0")
        page.get_by_role("button", name="Edit and replay …").click()
        expect(open_dialog(page).get_by_label("Set:")).to_be_focused()
        page.keyboard.type("contentId=deck-1")
        open_dialog(page).get_by_role("button", name="Show the difference").click()
        expect(open_dialog(page)).to_contain_text("No dead letter is meant: nothing is sent.")
        page.mouse.click(5, 400)
        expect(open_dialog(page)).to_be_visible()
        page.keyboard.press("Escape")
        expect(open_dialog(page)).to_have_count(0)
        page.get_by_role("button", name="Clear").click()
        page.get_by_role("button", name="Show letter").first.click()
        expect(open_dialog(page).locator(".cm-content")).to_be_visible()
        open_dialog(page).get_by_role("heading", level=2).click()
        page.keyboard.press("Escape")
        open_dialog(page).get_by_role("button", name="Close").click()
        expect(open_dialog(page)).to_have_count(0)
