"""Dead letters out of the API and in again; what waits, what is accounted for and what is wrong."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from gong_views import EventKey
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.ledger import Ledger
from gong_worker.ledger.models import ATTEMPTS
from gong_worker.queue.alerts import AlertBoard
from tests.integration.cli.letters import bury
from tests.integration.ledger.support import START, claimed, deliver
from tests.support.inbox import inbox
from tests.support.views import view
from tests.web.conftest import (
    BOUND_KEY,
    KEY,
    OPERATE_KEY,
    READ_KEY,
    TestClient,
    ask,
    queued,
    told,
)

LINES = {"Content-Type": "application/x-ndjson", "X-API-Key": OPERATE_KEY}


def _lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_export_is_edited_and_replayed(api: TestClient, ledger: Ledger, redis_url: str) -> None:
    """What came out goes in again with its edits: the differences and the cost first, nothing while one is wrong."""
    answer = ask(api, "dead-letters/export", {"letters": {"filter": {"http_status": 400}}})
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert "dead-letters.jsonl" in answer.headers["content-disposition"]
    lines = _lines(answer.text)
    assert [line["id"] for line in lines] == [1, 2, 3, 4]
    assert lines[0]["payload"]["viewer"]["email"] == "dana.0@globex.example"
    since = {"filter": {"since": "2026-01-01T00:00:00.5+02:00"}}
    rest = ask(api, "dead-letters/export", {"letters": since, "after": 4})
    assert [line["id"] for line in _lines(rest.text)] == [5, 6]

    def replay(query: str = "") -> Any:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        answer = api.post(f"/v1/dead-letters/replay-edited{query}", content=text, headers=LINES)
        assert answer.status_code == 200, answer.text
        return answer.json()

    lines[0]["payload"]["viewer"]["email"] = "team@globex.example"
    del lines[1]["payload"]["contentId"]
    plan = replay("?dry_run=true")["plan"]
    assert (plan["letters"], plan["cost"]["calls"], plan["edited"]) == (3, 3, 1)
    assert [(one["path"], one["after"]) for one in plan["examples"][0]["changes"]] == [
        ("viewer.email", "team@globex.example")
    ]
    assert [one["id"] for one in plan["invalid"]] == [2]
    refused = replay()
    assert (refused["done"], refused["failed"], queued(redis_url, "bulk")) == (0, 1, [])
    done = replay("?skip_invalid=true&lane=live")
    assert (done["done"], done["failed"], replay("?skip_invalid=true")["done"]) == (3, 1, 0)
    sent = [one.event for one in queued(redis_url)]
    assert sent[0]["viewer"]["email"] == "team@globex.example" and len(sent) == 3
    assert ledger.get_dead_letter(1).payload["viewer"]["email"] == "dana.0@globex.example"
    assert ledger.list_actions(limit=9).entries[2].target == {
        "since": "2026-01-01T00:00:00.500000+02:00", "state": "open",
    }  # fmt: skip
    actions = [(one.action.value, one.by, one.count) for one in ledger.list_actions(limit=9).entries]
    assert actions == [("edit", "ops", 3), ("show", "ops", 1), ("export", "ops", 6), ("export", "ops", 4)]


def test_csv_holds_no_formula(api: TestClient, ledger: Ledger) -> None:
    """A cell that a spreadsheet would take for a formula is a text; without a letter there is the heading."""
    bury(ledger, [view(90, contentTitle="=HYPERLINK(1)")], lambda _: "no")
    answer = ask(api, "dead-letters/export", {"letters": {"ids": [7]}, "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert (row["contentTitle"], row["errors"]) == ("'=HYPERLINK(1)", '["no"]')
    none = ask(api, "dead-letters/export", {"letters": {"filter": {"reason": "exhausted"}}, "format": "csv"})
    assert none.text.startswith("id,created_at,") and none.text.count("\n") == 1


def test_a_bound_key_exports_and_replays_its_own(api: TestClient, redis_url: str) -> None:
    """Letters of other reporting systems are not in its file, and are none when it sends them."""
    answer = ask(api, "dead-letters/export", {"letters": {"all": True}}, key=BOUND_KEY)
    lines = _lines(answer.text)
    assert {line["payload"]["reportingSystem"] for line in lines} == {"content-hub"}
    foreign = [{"id": 5, "payload": view(5, reportingSystem="portal")}, lines[0]]
    done = told(api, "dead-letters/replay-edited?skip_invalid=true", foreign, key=BOUND_KEY)
    assert (done["done"], done["failed"], len(queued(redis_url, "bulk"))) == (1, 1, 1)
    assert ask(api, "dead-letters/replay-edited", [lines[0]] * 2).status_code == 409
    assert "no dead letter 5" in done["results"][0]["error"]


def test_what_waits_is_seen_and_found(api: TestClient) -> None:
    """The next messages of a lane in their order, without payloads; an event's own, also for a key of its system."""
    for number in (50, 51):
        assert api.post("/v1/views", json=view(number), headers={"X-API-Key": KEY}).status_code == 202
    peeked = told(api, "queue?limit=1", key=READ_KEY)
    assert [(one["event_id"], one["ahead"], one["lane"]) for one in peeked["messages"]] == [
        ("view-50", 0, "live")
    ]
    assert peeked["complete"] is False and "viewer" not in json.dumps(peeked)
    for place in ("bulk", "delayed"):
        assert told(api, f"queue?place={place}") == {"messages": [], "complete": True}
    found = told(api, "queue/find?event_id=view-51", key=BOUND_KEY)
    assert ([one["ahead"] for one in found["messages"]], found["complete"]) == ([1], True)
    assert told(api, "queue/find?event_id=view-1")["messages"] == []


def test_every_message_is_accounted_for(api: TestClient, redis_url: str) -> None:
    """Drift is told by lane and day, with what the ledger has taken up; without any the sums are."""
    assert api.post("/v1/views", json=view(50), headers={"X-API-Key": KEY}).status_code == 202
    found = told(api, "reconcile", key=READ_KEY)
    assert found["enqueued"] == found["queued"] == 1
    [drift] = found["drift"]  # the six letters were never enqueued
    assert (drift["lane"], drift["missing"]) == ("live", -6)


def test_drift_is_written_off_with_a_reason(api: TestClient, ledger: Ledger) -> None:
    """An operator's key accepts what is found now; it is no drift any more, and the audit keeps who and why."""
    assert ask(api, "reconcile/accept", {"why": "x"}, key=READ_KEY).status_code == 403
    for why in ("", "  "):
        assert ask(api, "reconcile/accept", {"why": why}).status_code == 400
    done = told(api, "reconcile/accept", {"why": "a ledger from a backup"})
    assert (done["drift_accepted"], done["found"]["drift"][0]["missing"]) == (True, -6)
    assert told(api, "reconcile")["drift"] == []
    assert told(api, "reconcile/accept", {"why": "again"})["drift_accepted"] is False
    [entry] = ledger.list_actions(limit=9).entries
    assert (entry.action.value, entry.by, entry.reason) == ("write_off", "ops", "a ledger from a backup")


def test_alerts_are_listed_and_tried(
    api: TestClient, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands is told without an address; a test says what got through, and 409 when there is no address."""
    with redis.Redis.from_url(redis_url) as client:
        AlertBoard(client).stands("a1b2c3d4", "no_worker", "no worker is alive", 0)
    [alert] = told(api, "alerts", key=READ_KEY)["alerts"]
    assert (alert["key"], alert["told"], alert["target"]) == ("no_worker", False, "a1b2c3d4")
    assert ask(api, "alerts/test", {}).status_code == 409
    with inbox() as box:
        monkeypatch.setenv("GONG_VIEWS_ALERT_URLS", box.address)
        [trial] = told(api, "alerts/test", {})["sent"]
        assert trial["delivered"] and len(box.bodies) == 1


def test_calls_are_followed(api: TestClient, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page from a time on, and from the last page on what is new; a bound key sees its own."""
    seen, since = [], "2026-01-01T00:00:00Z"
    monkeypatch.setattr("gong_worker.operations.tail.LATE_COMMIT", timedelta(0))  # all are old enough
    for _ in range(9):
        page = told(api, f"calls?limit=1&since={since}", key=READ_KEY)
        seen += [one["event_id"] for one in page["calls"] if one["event_id"] not in seen]
        since = page["next_since"]
    assert seen == [f"view-{number}" for number in range(6)]
    monkeypatch.undo()
    bury(ledger, [view(90)], lambda _: "no")
    latest = told(api, f"calls?since={since}", key=BOUND_KEY)["calls"]
    assert (latest[-1]["event_id"], latest[-1]["outcome"]) == ("view-90", "rejected")
    assert {one["reporting_system"] for one in told(api, "calls", key=BOUND_KEY)["calls"]} == {"content-hub"}
    assert told(api, "calls?outcome=delivered")["calls"] == []
    assert ask(api, "calls?reporting_system=portal", key=BOUND_KEY).status_code == 403


def test_a_follower_catches_up(api: TestClient, ledger: Ledger) -> None:
    """However many calls a minute has, a round of pages reaches the latest; the next one has what was written late."""

    def round_from(start: str) -> tuple[list[str], str]:
        found, page = [], told(api, f"calls?limit=5&{start}", key=READ_KEY)
        while page["next"] is not None:
            found += [one["event_id"] for one in page["calls"]]
            page = told(api, f"calls?limit=5&after={page['next']}", key=READ_KEY)
        return found + [one["event_id"] for one in page["calls"]], f"since={page['next_since']}"

    since_start = (datetime.now(UTC) - START).total_seconds()
    late = claimed(ledger, "late", since_start, key=EventKey("crm", "late"))
    early = datetime.now(UTC)
    bury(ledger, [view(number) for number in range(100, 130)], lambda _: "no")
    found, start = round_from("outcome=rejected")
    assert found[-30:] == [f"view-{number}" for number in range(100, 130)] and len(set(found)) == len(found)
    deliver(ledger, late, since_start, number=ledger.begin_attempt(late, now=early))
    bury(ledger, [view(130)], lambda _: "no")
    found, _ = round_from(start)
    assert "late" in found and found[-1] == "view-130"
    assert ask(api, "calls?after=yesterday", key=READ_KEY).status_code == 404


def test_a_call_comes_that_ends_long_after_it_began(api: TestClient, ledger: Ledger) -> None:
    """One whose worker was killed ends when its message is back, a minute later or more."""
    now = datetime.now(UTC)
    for name, minutes in (("ancient", 120), ("slow", 10)):
        began = now - timedelta(minutes=minutes)
        claim = claimed(ledger, name, (began - START).total_seconds(), key=EventKey("crm", name))
        ledger.begin_attempt(claim, now=began)
    since = told(api, f"calls?since={now - timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}", key=READ_KEY)[
        "next_since"
    ]
    with ledger.engine.begin() as connection:
        connection.execute(sa.update(ATTEMPTS).values(outcome=AttemptOutcome.INTERRUPTED))
    found = [one["event_id"] for one in told(api, f"calls?since={since}", key=READ_KEY)["calls"]]
    assert "slow" in found and "ancient" not in found


def test_a_call_under_way_is_not_passed_over(api: TestClient, ledger: Ledger) -> None:
    """A page that is full with later calls does not go on behind one that has not ended yet."""
    now = datetime.now(UTC)
    since_start = (now - START).total_seconds()
    slow = claimed(ledger, "slow", since_start, key=EventKey("crm", "slow"))
    number = ledger.begin_attempt(slow, now=now)
    bury(ledger, [view(number) for number in range(90, 93)], lambda _: "no")
    page = told(api, f"calls?limit=3&since={now:%Y-%m-%dT%H:%M:%S.%fZ}", key=READ_KEY)
    assert [one["event_id"] for one in page["calls"]] == ["view-90", "view-91"]
    deliver(ledger, slow, since_start, number=number)
    later = told(api, f"calls?since={page['next_since']}", key=READ_KEY)
    assert [one["event_id"] for one in later["calls"]] == ["slow", "view-90", "view-91", "view-92"]


def test_a_full_page_leaves_room_for_a_late_row(api: TestClient, ledger: Ledger) -> None:
    """A call written after the look, under a time before the page's end, is told by the next page."""
    now = datetime.now(UTC)
    since_start = (now - START).total_seconds()
    late = claimed(ledger, "late", since_start, key=EventKey("crm", "late"))
    bury(ledger, [view(number) for number in range(90, 93)], lambda _: "no")
    page = told(api, f"calls?limit=8&since={now - timedelta(minutes=5):%Y-%m-%dT%H:%M:%S.%fZ}", key=READ_KEY)
    assert [one["event_id"] for one in page["calls"]][-2:] == ["view-90", "view-91"]
    deliver(ledger, late, since_start, number=ledger.begin_attempt(late, now=now))
    rest = told(api, f"calls?since={page['next_since']}", key=READ_KEY)
    assert "late" in [one["event_id"] for one in rest["calls"]]
