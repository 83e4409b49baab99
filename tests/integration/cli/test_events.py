"""Events are found, told from enqueue to end, and followed live."""

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gong_views import EventKey, ViewEvent, ViewQueue
from gong_views.names import Lane
from gong_worker.domain.edits import Edit
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.states import Resolution
from gong_worker.ledger import AttemptFacts, Claimed, DeadLetterFilter, EventFacts, MessageRef
from gong_worker.operations.dead_letters import Bulk
from gong_worker.operations.replays import edit_of, replay
from gong_worker.queue.browse import browse_all
from tests.integration.cli.letters import Command, Desk, bury, command, desk
from tests.support.processes import process
from tests.support.servers import wait_until
from tests.support.views import view

__all__ = ["command", "desk"]


def _deliver_next(desk: Desk) -> None:
    """What a worker does with the message that waits, without the worker."""
    [waiting] = browse_all(desk.services.client)
    envelope = waiting.envelope
    assert envelope is not None and envelope.enqueued_at is not None
    event, now = ViewEvent.parse(envelope.event), datetime.now(UTC)
    message = MessageRef(envelope.message_id, waiting.lane, envelope.enqueued_at, envelope.replay_of, None)
    facts = EventFacts("deck-1", now, "b" * 64)
    answer = desk.ledger.claim(event.key, message, facts, now=now, lease_seconds=60)
    assert isinstance(answer, Claimed)
    number = desk.ledger.begin_attempt(answer.claim, now=now)
    attempt = AttemptFacts(AttemptOutcome.DELIVERED, 201, "req-last", None, 120, now)
    assert desk.ledger.complete(
        answer.claim, number, attempt, now=now, resolution=Resolution.ACCEPTED, integration_id=2**60
    )
    desk.services.client.delete(waiting.lane.queue)


def test_an_event_is_told_from_its_enqueue_to_its_end(desk: Desk, command: Command) -> None:
    """`show` tells an unseen event, its death, edit and replay with where that waits, its delivery: who and when."""

    def shown(*words: str) -> Any:
        return command(desk.environment, "events", "show", "view-1", *words, "--json").json

    with ViewQueue(desk.services.redis_url, source="shop") as queue:
        queue.enqueue(view(1))
        unseen = shown()
        assert (unseen["status"], unseen["source"], unseen["timeline"]) == ("queued", "shop", [])
        assert [(one["place"], one["ahead"]) for one in unseen["queued"]] == [("lane", 0)]
        assert (
            "in the queue: lane (live, 0 ahead)" in command(desk.environment, "events", "show", "view-1").out
        )
        desk.services.client.delete(Lane.LIVE.queue)
    gone = command(desk.environment, "events", "show", "view-1")
    assert (gone.code, "is in the ledger or in the queue" in gone.err) == (1, True)

    bury(desk.ledger, [view(1)], lambda _: "viewer.email dana.1@globex.example is not valid")
    assert shown("--reporting-system", "content-hub")["status"] == "dead"
    edit = edit_of(Edit({"contentTitle": "Other"}, ()))
    assert replay(desk.services, DeadLetterFilter(), Bulk("dana"), replacement=edit).done == 1
    waiting = shown()
    steps = [one["step"] for one in waiting["timeline"]]
    assert steps == ["enqueued", "claimed", "attempt", "dead_letter", "edited"]
    assert [(one["lane"], one["replay_of"]) for one in waiting["queued"]] == [("bulk", 1)]

    _deliver_next(desk)
    done = shown()
    assert (done["status"], done["resolution"], done["integration_id"]) == (
        "delivered",
        "accepted",
        str(2**60),
    )
    assert sorted(one["step"] for one in done["timeline"]) == sorted(
        [*steps, "enqueued", "attempt", "delivered"]
    )
    edited = next(one for one in done["timeline"] if one["step"] == "edited")
    assert (edited["by"], edited["dead_letter_id"]) == ("dana", 1)
    last = [one for one in done["timeline"] if one["step"] == "attempt"][-1]
    assert (last["outcome"], last["http_status"], last["request_id"]) == ("delivered", 201, "req-last")
    assert 0 <= last["waited_seconds"] < 60 and done["queued"] == []
    text = command(desk.environment, "events", "show", "view-1").out
    assert "edited" in text and "req-last" in text and "dana.1@" not in text + json.dumps(done)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_events_are_listed(desk: Desk, command: Command) -> None:
    """`list` takes every filter, pages by a cursor, and refuses a foreign one."""
    bury(desk.ledger, [view(number) for number in range(5)], lambda _: "no")
    first = command(desk.environment, "events", "list", "--limit", "2", "--json").json
    assert (first["total"], len(first["events"])) == (5, 2)
    rest = command(desk.environment, "events", "list", "--after", first["next"], "--json").json
    assert {one["event_id"] for one in first["events"] + rest["events"]} == {f"view-{n}" for n in range(5)}
    words = (
        "--event-id", "view-3", "--request-id", "req-3", "--content-id", "deck-3", "--reporting-system",
        "content-hub", "--status", "dead", "--source", "shop", "--lane", "live", "--since", "1h", "--until",
        (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    )  # fmt: skip
    [only] = command(desk.environment, "events", "list", *words, "--json").json["events"]
    assert (only["event_id"], only["attempt_count"]) == ("view-3", 1)
    assert "content-hub/view-3" in command(desk.environment, "events", "list", *words).out
    refused = command(desk.environment, "events", "list", "--after", "nonsense")
    assert (refused.code, "--after" in refused.err) == (2, True)


def test_calls_are_followed_live(desk: Desk, tmp_path: Path) -> None:
    """`tail` prints each call when it has ended, one JSON object a line, until Ctrl-C, which is no failure."""
    bury(desk.ledger, [view(1)], lambda _: "no")
    with process(
        ["gong_worker", "events", "tail", "--since", "1h", "--json"],
        tmp_path / "tail.log",
        {**desk.environment, "PYTHONUNBUFFERED": "1"},
    ) as tail:
        wait_until(lambda: "view-1" in tail.log, "the call before")
        bury(desk.ledger, [view(2)], lambda _: "no")
        wait_until(lambda: "view-2" in tail.log, "the call that is made meanwhile")
        tail.popen.send_signal(signal.SIGINT)
        assert tail.popen.wait(30) == 0
        lines = [json.loads(line) for line in tail.log.splitlines()]
    assert [(one["event_id"], one["outcome"], one["source"]) for one in lines] == [
        ("view-1", "rejected", "shop"), ("view-2", "rejected", "shop"),
    ]  # fmt: skip
    assert EventKey(lines[0]["reporting_system"], lines[0]["event_id"]) == ViewEvent.parse(view(1)).key
