"""An edited export sent back by the console, in a real browser."""

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from gong_views.message import parse
from gong_views.names import Lane
from gong_worker.console.users import Role, User
from gong_worker.domain.audit import AuditAction
from tests.console.accessibility import faults
from tests.console.letters import insert, payload
from tests.console.served import World, connected, open_dialog, picture, signed_in

LONGEST = 5_000_000


@pytest.fixture(scope="module", autouse=True)
def letters(world: World) -> None:
    """Letters of three kinds."""
    insert(world.services.ledger, 12)


def open_file_dialog(page: Page, world: World) -> Locator:
    """The dialog that takes a file."""
    page.goto(f"{world.url}/dead-letters")
    connected(page)
    page.get_by_role("button", name="Replay an edited file …").click()
    return open_dialog(page)


def choose(dialog: Locator, *lines: Any) -> None:
    """Choose a file of these lines, and have it checked."""
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    file = {"name": "letters.jsonl", "mimeType": "application/x-ndjson", "buffer": text.encode()}
    dialog.get_by_label("The file").set_input_files(file)  # type: ignore[arg-type]
    dialog.get_by_role("button", name="Check the file").click()


def letter(number: int, **changed: Any) -> dict[str, Any]:
    """A line of an export, its payload changed."""
    return {"id": number, "payload": payload(number) | changed}


def sent(world: World, lane: Lane) -> list[dict[str, Any]]:
    """The events on a lane, the oldest first."""
    return [parse(raw).event for raw in reversed(world.services.client.lrange(lane.queue, 0, -1))]


def test_an_edited_file_is_checked_and_sent_back(browser: Browser, world: World) -> None:
    """First the count, the cost, the differences and what is invalid with its line; nothing goes while one is wrong.

    Told to leave that one out it sends the others, to the lane that is chosen; the audit has it; a second time nothing
    is left to do.
    """
    right, wrong = letter(1, viewer={"email": "team@globex.example"}), letter(2)
    del wrong["payload"]["contentId"]
    with signed_in(browser, world, "anna", width=390, height=844, dark=True) as page:
        dialog = open_file_dialog(page, world)
        assert faults(page, "[role=dialog][aria-modal=true]") == []
        choose(dialog, right, "", wrong, letter(3))
        expect(dialog).to_contain_text("2 dead letters, 1 of them changed: 2 calls of 9,500 left today")
        expect(dialog).to_contain_text("Nothing is sent: 1 would be no valid event.")
        expect(dialog).to_contain_text("line 3, dead letter 2 cannot be sent: not a valid event")
        expect(dialog.locator(".difference .after")).to_contain_text("team@globex.example")
        expect(dialog.get_by_role("button", name="Replay 2")).to_have_count(0)
        assert faults(page, "[role=dialog][aria-modal=true]") == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert sent(world, Lane.BULK) == []
        dialog.get_by_role("checkbox", name="Send the others all the same").click()
        dialog.get_by_label("To the lane").click()
        page.get_by_role("option", name="live: goes first").click()
        dialog.get_by_role("button", name="Replay 2", exact=True).click()
        expect(dialog).to_contain_text("2 replayed, 1 not:")
        expect(dialog).to_contain_text("line 3, dead letter 2: not a valid event")
        dialog.get_by_role("button", name="Close").click()
        dialog = open_file_dialog(page, world)
        choose(dialog, right, letter(3))
        expect(dialog).to_contain_text("2 have been dealt with before; nothing becomes of them.")
    assert [event.get("viewer") for event in sent(world, Lane.LIVE)] == [
        {"email": "team@globex.example"},
        payload(3)["viewer"],
    ]
    assert world.services.ledger.get_dead_letter(1).payload == payload(1)
    [entry] = world.services.ledger.list_actions(limit=9, action=AuditAction.EDIT).entries
    assert (entry.by, entry.count, entry.details) == ("anna", 2, {"file": True})
    [shown] = world.services.ledger.list_actions(limit=9, action=AuditAction.SHOW).entries
    assert (shown.by, shown.target) == ("anna", {"ids": [1]})


def test_what_cannot_be_read_is_told_by_line(browser: Browser, world: World) -> None:
    """Every line that is no letter is named, without what is in it; the mended file is taken in the same dialog."""
    with signed_in(browser, world, "anna") as page:
        dialog = open_file_dialog(page, world)
        dialog.get_by_role("button", name="Check the file").click()
        expect(page.get_by_role("alert").filter(has_text="choose a file first")).to_be_visible()
        choose(dialog, letter(4), '{"id": 5, "payload"', {"payload": {}}, {"id": 0, "payload": {}}, letter(4))
        told = dialog.get_by_role("listitem")
        expect(told).to_have_text(
            [
                "line 2 is not valid JSON: Expecting ':' delimiter (column 20)",
                'line 3 is no exported dead letter: it needs "id" and "payload"',
                'line 4: "id" is the number of no dead letter',
                "line 5: dead letter 4 comes twice, with which payload?",
                "Nothing is sent: mend the file, and choose it again.",
            ]
        )
        picture(page, "file")
        choose(dialog, "id,created_at,reason", "4,2026-07-01T12:00:00Z,rejected")
        expect(told.first).to_contain_text("it is CSV, which cannot be replayed")
        choose(dialog, "")
        expect(told.first).to_have_text("it holds no letter")
        choose(dialog, letter(4, contentTitle="Mended"))
        expect(dialog.locator(".difference .after")).to_contain_text("Mended")
        dialog.get_by_role("button", name="Replay 1", exact=True).click()
        expect(dialog).to_contain_text("1 replayed.")
    assert [event["contentTitle"] for event in sent(world, Lane.BULK)] == ["Mended"]


def test_a_file_is_bounded_and_its_sender_s_own(browser: Browser, world: World) -> None:
    """A file over the limit is refused by browser and server; it comes once, from its operator's own session."""
    headers = {"Origin": world.url}
    with signed_in(browser, world, "anna") as page, signed_in(browser, world, "anna") as other:
        dialog = open_file_dialog(page, world)
        choose(dialog, "x" * LONGEST)
        expect(page.get_by_role("alert").filter(has_text=f"longer than {LONGEST} bytes")).to_be_visible()
        page.evaluate(
            "window.gongViewsUpload = async (field, path) => { window.expected = path; return 'no'; }"
        )
        dialog.get_by_role("button", name="Check the file").click()
        path = page.wait_for_function("window.expected").json_value()
        anna = world.users.get("anna")
        assert anna is not None
        world.users.add(User("anna", Role.VIEWER, True, anna.password_hash))
        answer = page.request.post(f"{world.url}{path}", data=b"{}", headers=headers)
        world.users.add(anna)
        assert answer.status == 403, "who is an operator no more"
        for sender, body, status in (
            (other, b"{}", 403), (page, b"x" * (LONGEST + 1), 413), (page, b"{}", 403),
        ):  # fmt: skip
            answer = sender.request.post(f"{world.url}{path}", data=body, headers=headers)
            assert answer.status == status, answer.text()
        assert page.request.post(f"{world.url}{path}", data=b"{}").status == 403, "without an origin"
    with signed_in(browser, world, "paula") as page:
        page.goto(f"{world.url}/dead-letters")
        connected(page)
        expect(page.get_by_role("button", name="Export …")).to_be_visible()
        expect(page.get_by_role("button", name="Replay an edited file …")).to_have_count(0)
