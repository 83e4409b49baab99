"""The operators' routes: the same use cases as the commands, by keys with scopes, every change in the audit."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.gate.settings import LIMITS
from gong_worker.ledger import EventFacts, Ledger, MessageRef, migrate
from gong_worker.web.requests import LimitsBody
from tests.support.servers import valkey
from tests.support.views import view
from tests.web.conftest import (
    BOUND_KEY,
    KEY,
    KEYS,
    OTHER_KEY,
    READ_KEY,
    MakeApp,
    TestClient,
    ask,
    queued,
    told,
)


def test_what_became_of_an_event(api: TestClient) -> None:
    """A backend learns whether its event waits unseen, is dead, or is unknown; events are found page by page."""
    assert api.post("/v1/views", json=view(50), headers={"X-API-Key": KEY}).status_code == 202
    unseen = told(api, "events/content-hub/view-50", key=READ_KEY)
    assert (unseen["status"], unseen["source"], unseen["queued"][0]["place"]) == ("queued", "backend", "lane")
    dead = told(api, "events/content-hub/view-1", key=READ_KEY)
    assert (dead["status"], dead["timeline"][-1]["step"], dead["queued"]) == ("dead", "dead_letter", [])
    assert ask(api, "events/content-hub/view%2F99").status_code == 404
    first = told(api, "events?reporting_system=content-hub&limit=3", key=READ_KEY)
    rest = told(api, f"events?reporting_system=content-hub&after={first['next']}", key=READ_KEY)
    assert len(first["events"]) == 3 and [one["event_id"] for one in rest["events"]] == ["view-0"]


def test_a_group_is_edited_and_replayed_with_the_cost_first(
    api: TestClient, ledger: Ledger, redis_url: str
) -> None:
    """A dry run tells cost and changes and enqueues nothing; the same call without it does it, once."""
    [group] = [
        one for one in told(api, "dead-letters/groups")["groups"] if "viewer.email" in one["error_kind"]
    ]
    change = {
        "letters": {"filter": {"group": group["group"]}},
        "set": {"viewer.email": "team@globex.example"},
        "unset": ["trackingId"],
    }
    plan = told(api, "dead-letters/edit", change | {"dry_run": True})["plan"]
    assert (plan["letters"], plan["cost"]["calls"], len(plan["examples"])) == (2, 2, 2)
    assert plan["examples"][0]["changes"][0]["after"] == "team@globex.example"
    assert queued(redis_url, "bulk") == []
    refused = told(api, "dead-letters/edit", change | {"set": {"eventTimestamp": "noon"}})
    assert (refused["done"], refused["failed"]) == (0, 2) and queued(redis_url, "bulk") == []

    done = told(api, "dead-letters/edit", change)
    assert (done["done"], done["failed"], done["interrupted"]) == (2, 0, False)
    assert [one.event["viewer"]["email"] for one in queued(redis_url, "bulk")] == ["team@globex.example"] * 2
    assert all(one["changes"] == [] for one in done["results"])
    assert told(api, "dead-letters/edit", change)["done"] == 0
    waiting = told(api, "replays")
    assert waiting["total"] == 2
    letter_id = waiting["replays"][0]["letter_id"]
    cancelled = told(api, "replays/cancel", {"replays": {"ids": [letter_id]}})
    assert (cancelled["done"], told(api, "replays")["total"]) == (1, 1)
    replayed = told(api, "dead-letters/replay", {"letters": {"ids": [letter_id, 99]}, "lane": "live"})
    assert (replayed["done"], replayed["failed"], replayed["cost"]["calls"]) == (1, 1, 1)

    gone = {"letters": {"filter": {"reporting_system": "portal"}}, "why": "a test of theirs"}
    assert told(api, "dead-letters/discard", gone | {"dry_run": True}) == {
        "dry_run": True, "letters": 2, "events": 2,
    }  # fmt: skip
    assert told(api, "dead-letters/discard", gone)["done"] == 2
    audit = told(api, "audit?by=ops")["entries"]
    assert [one["action"] for one in audit] == ["discard", "replay", "cancel_replay", "edit", "show"]
    assert audit[0]["reason"] == "a test of theirs"


def test_a_payload_is_for_keys_that_operate_and_is_in_the_audit(api: TestClient) -> None:
    """Without the scope operate neither payload nor Gong's words are shown or searched; with it the audit notes who."""
    shown = told(api, "dead-letters/1?payload=true")
    assert shown["payload"]["viewer"]["email"] == "dana.0@globex.example" and shown["errors"]
    assert [(one["action"], one["target"]) for one in told(api, "audit?by=ops")["entries"]] == [
        ("show", {"ids": [1]})
    ]
    plain = told(api, "dead-letters/1", key=READ_KEY)
    assert ("payload" in plain, plain["errors"], plain["group"] != "") == (False, [], True)
    page = told(api, "dead-letters?limit=4", key=READ_KEY)
    assert (page["total"], page["next"]) == (6, 4)
    assert "globex" not in str(page) + str(told(api, "dead-letters/groups", key=READ_KEY))
    assert told(api, "dead-letters?contains=dana.1&limit=1")["total"] == 1
    for path in (
        "dead-letters/1?payload=true",
        "dead-letters?contains=dana",
        "dead-letters/groups?contains=dana",
    ):
        assert ask(api, path, key=READ_KEY).status_code == 403
    assert told(api, "audit")["total"] == 1


CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "hold", {"reason": "maintenance", "for_seconds": 60}),
    ("POST", "release", {}),
    ("PATCH", "limits", {"calls_per_day": 5_000}),
    ("DELETE", "limits/calls_per_day", None),
]


def test_hold_release_and_limits(api: TestClient) -> None:
    """What a key changes at the gate takes effect, says so, and is in the audit under the key's name."""
    changes = [told(api, path, body, method=method) for method, path, body in CHANGES]
    assert [one["changed"] for one in changes] == [
        "held", "ended: operator", "limits set: calls_per_day 5000", "limits unset: calls_per_day",
    ]  # fmt: skip
    assert [hold["by"] for hold in changes[0]["gate"]["holds"]] == ["ops"]
    assert ask(api, "limits", {"day_reserve": 20_000}, method="PATCH").status_code == 409
    assert ask(api, "limits/nonsense", method="DELETE").status_code == 404
    limits = {one["name"]: one["value"] for one in told(api, "limits", key=READ_KEY)["limits"]}
    assert limits["calls_per_day"] == 10_000 and set(LimitsBody.model_fields) == set(LIMITS)
    assert told(api, "status", key=READ_KEY)["gate"]["state"] == "open"
    actions = [(one["action"], one["by"]) for one in told(api, "audit", key=READ_KEY)["entries"]]
    assert actions == [("unset_limits", "ops"), ("limits", "ops"), ("release", "ops"), ("hold", "ops")]


def test_no_key_does_what_its_scopes_do_not_say(api: TestClient, make_app: MakeApp) -> None:
    """Keys that ingest see nothing, keys that read change nothing, and without keys nobody changes anything."""
    letters = {"letters": {"all": True}}
    changes = [
        *CHANGES,
        ("POST", "dead-letters/replay", letters),
        ("POST", "dead-letters/edit", letters | {"unset": ["trackingId"]}),
        ("POST", "dead-letters/discard", letters | {"why": "x"}),
        ("POST", "replays/cancel", {"replays": {"all": True}}),
        ("POST", "dead-letters/export", letters),
        ("POST", "dead-letters/replay-edited", [{"id": 1, "payload": {}}]),
        ("POST", "alerts/test", {}),
        ("POST", "reconcile/accept", {"why": "x"}),
    ]
    reads = [
        "events",
        "events/a/b",
        "dead-letters",
        "dead-letters/groups",
        "dead-letters/1",
        "replays",
        "status",
    ]
    reads += ["limits", "audit", "queue", "queue/find?event_id=a", "reconcile", "alerts", "calls"]
    for method, path, body in changes:
        for key, status in ((READ_KEY, 403), (OTHER_KEY, 403), ("nonsense", 401)):
            assert ask(api, path, body, key=key, method=method).status_code == status
    for path in reads:
        assert ask(api, path, key=OTHER_KEY).status_code == 403
    with TestClient(make_app()) as unkeyed:
        for method, path, body in changes:
            assert ask(unkeyed, path, body, method=method).status_code == 403
        assert told(unkeyed, "dead-letters")["total"] == 6
        assert ask(unkeyed, "dead-letters/1?payload=true").status_code == 403


def test_a_bound_key_sees_its_reporting_system_only(api: TestClient, redis_url: str) -> None:
    """It finds, shows and replays what is its own; what concerns the company is not for it."""
    assert told(api, "dead-letters", key=BOUND_KEY)["total"] == 4
    assert told(api, "dead-letters/1?payload=true", key=BOUND_KEY)["payload"]
    assert {one["reporting_system"] for one in told(api, "events", key=BOUND_KEY)["events"]} == {
        "content-hub"
    }
    done = told(api, "dead-letters/replay", {"letters": {"ids": [1, 5]}}, key=BOUND_KEY)
    assert (done["done"], done["failed"]) == (1, 1)
    assert [one.event["reportingSystem"] for one in queued(redis_url, "bulk")] == ["content-hub"]
    for path in (
        "dead-letters/5",
        "events?reporting_system=portal",
        "status",
        "audit",
        "replays",
        "limits",
        "queue",
        "reconcile",
        "alerts",
    ):
        assert ask(api, path, key=BOUND_KEY).status_code == 403
    for method, path, body in CHANGES:
        assert ask(api, path, body, key=BOUND_KEY, method=method).status_code == 403


def test_a_group_that_never_was_is_404(api: TestClient) -> None:
    """A slip in a group's id is told wherever a filter is taken; it is not zero letters."""
    letters = {"letters": {"filter": {"group": "3f0c9a1b2?"}}}
    for path, body in (
        ("dead-letters?group=3f0c9a1b2%3F", None),
        ("dead-letters/groups?group=3f0c9a1b2%3F", None),
        ("dead-letters/replay", letters),
        ("dead-letters/replay", letters | {"dry_run": True}),
        ("dead-letters/edit", letters | {"unset": ["trackingId"]}),
        ("dead-letters/discard", letters | {"why": "x"}),
        ("dead-letters/export", letters),
    ):
        refused = ask(api, path, body)
        assert (refused.status_code, refused.headers["content-type"]) == (404, "application/problem+json")
        assert "there is no group '3f0c9a1b2?'" in refused.json()["detail"]
    assert told(api, "audit")["total"] == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("hold", {"reason": ""}),
        ("hold", {"reason": " "}),
        ("hold", {"reason": "x" * 1_001}),
        ("drop", {"part": {"kind": "content_id", "value": "a"}, "why": " "}),
        ("drop", {"part": {"kind": "content_id", "value": "a"}, "why": "x" * 1_001}),
        ("dead-letters/discard", {"letters": {"all": True}, "why": " "}),
        ("dead-letters/discard", {"letters": {"all": True}, "why": "x" * 1_001}),
        ("hold", {"reason": "x", "for_seconds": "60"}),
        ("hold", {"reason": "x", "unknown": 1}),
        ("hold", [1]),
        ("dead-letters/replay", {"letters": {"filter": {}}}),
        ("dead-letters/replay", {"letters": {"filter": {"reason": None}}}),
        ("dead-letters/replay", {"letters": {"ids": [1], "all": True}}),
        ("dead-letters/replay", {"letters": {"all": False}}),
        ("dead-letters/edit", {"letters": {"all": True}}),
        ("dead-letters/edit", {"letters": {"all": True}, "set": {"viewer..email": "x"}}),
        ("dead-letters/discard", {"letters": {"all": True}}),
        ("events?since=yesterday", None),
        ("calls?since=12345678-01-01T00:00:00Z", None),
        ("events?limit=0", None),
        ("events?status=dead&status=dead", None),
        ("audit?colour=red", None),
        ("queue?place=held", None),
        ("queue/find", None),
        ("dead-letters/export", {"letters": {"all": True}, "format": "xlsx"}),
        ("dead-letters/replay-edited", []),
        ("dead-letters/replay-edited", [{"id": 1}]),
        ("dead-letters/replay-edited", [{"id": [1], "payload": {}}]),
        ("dead-letters/replay-edited", [{"id": 0, "payload": {}}]),
        ("dead-letters/replay-edited?colour=red", [{"id": 1, "payload": {}}]),
    ],
)
def test_what_is_not_meant_is_refused(api: TestClient, ledger: Ledger, path: str, body: Any) -> None:
    """Unknown, missing and wrong values are a problem that says where, and nothing is done."""
    answer = ask(api, path, body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    detail = answer.json()["detail"]
    assert len(detail) > 10
    assert not any(word in detail for word in ("function-", "none:", "None")), "no names of pydantic's own"
    assert ledger.list_actions(limit=1).total == 0 and ledger.counts()["dead_letters_open"] == 6


def test_a_part_that_is_away_keeps_no_other_from_working(make_app: MakeApp, tmp_path: Any) -> None:
    """Without a ledger events go in, status tells it, the gate can be held; the rest is 503 until it is there."""
    with valkey(appendfsync="no") as own, TestClient(make_app(own.url, api_keys=KEYS)) as client:
        assert client.post("/v1/views", json=view(1), headers={"X-API-Key": KEY}).status_code == 202
        assert told(client, "status")["ledger"]["error"]
        held = told(client, "hold", {"reason": "no ledger"})
        assert held["gate"]["state"] == "held" and held["audit_error"]
        for path in ("events", "dead-letters", "audit"):
            answer = ask(client, path)
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
        migrate(f"sqlite:///{tmp_path / 'ledger.db'}")
        assert told(client, "audit")["total"] == 0
        own.kill()
        assert told(client, "status")["gate"]["state"] == "unavailable"
        assert told(client, "events")["total"] == 0
        answer = ask(client, "release", {})
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)


def test_ids_that_are_no_text_in_utf_8_come_back(api: TestClient, ledger: Ledger) -> None:
    """A lone surrogate in an id is answered as JSON escapes it."""
    key, now = EventKey("content-hub", "half-\ud83d"), datetime.now(UTC)
    message = MessageRef("m", Lane.LIVE, now)
    ledger.claim(key, message, EventFacts("deck", now, "a" * 64), now=now, lease_seconds=60)
    [found] = told(api, "events?status=sending&limit=1")["events"]
    assert found["event_id"] == key.event_id
