"""What waits is told, message by message, with its age and place."""

import json
import time
from pathlib import Path

import pytest

from gong_views import ViewQueue
from gong_views.names import DELAYED_KEY, DELAYED_MESSAGES_KEY, UNACKED_KEY, Lane
from tests.integration.cli.letters import Command, Desk, command, desk
from tests.support.views import view

__all__ = ["command", "desk"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_queue_is_readable(desk: Desk, command: Command) -> None:
    """`peek` gives the next messages of a lane in their order; `find` every message of an event, wherever it is."""
    client, environment = desk.services.client, desk.environment
    with ViewQueue(desk.services.redis_url, source="shop") as queue:
        for number in (1, 2, 3):
            queue.enqueue(view(number))
        queue.enqueue(view(2), lane="bulk")
        queue.enqueue(view(4), lane="bulk")
    client.rpush(Lane.BULK.queue, "nonsense")
    in_hand = client.rpop(Lane.LIVE.queue)
    client.hset(UNACKED_KEY, "tag-1", Lane.LIVE.queue.encode() + b"\n" + in_hand)
    delayed = client.rpop(Lane.LIVE.queue)
    client.hset(DELAYED_MESSAGES_KEY, "tag-2", Lane.LIVE.queue.encode() + b"\n" + delayed)
    client.zadd(DELAYED_KEY, {"tag-2": time.time() + 60})

    live = command(environment, "queue", "peek", "--json").json
    assert [(one["event_id"], one["ahead"], one["source"]) for one in live] == [("view-3", 0, "shop")]
    assert 0 <= live[0]["age_seconds"] < 60
    bulk = command(environment, "queue", "peek", "--place", "bulk", "--limit", "2", "--json").json
    assert [(one["readable"], one["event_id"]) for one in bulk] == [(False, None), (True, "view-2")]
    [due] = command(environment, "queue", "peek", "--place", "delayed", "--json").json
    assert (due["event_id"], due["due_at"] is None) == ("view-2", False)
    found = command(environment, "queue", "find", "view-2", "--json").json
    assert [(one["place"], one["lane"]) for one in found] == [("lane", "bulk"), ("delayed", "live")]
    [held] = command(environment, "queue", "find", "view-1", "--json").json
    assert held["place"] == "unacked"
    gone = command(environment, "queue", "find", "view-2", "--reporting-system", "other")
    assert (gone.code, "is in the queue" in gone.err) == (1, True)
    shown = command(environment, "queue", "peek", "--place", "bulk").out
    assert "content-hub/view-4" in shown and "dana" not in shown + json.dumps(bulk)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_dry_run_reckons_with_what_waits_and_the_limits_in_force(
    desk: Desk, command: Command, tmp_path: Path
) -> None:
    """Its cost is by the limits an operator has set, behind the backlog of its lane, and says that nobody works."""
    desk.services.gate.set_limits(calls_per_second=2, calls_per_day=100, day_reserve=40)
    with ViewQueue(desk.services.redis_url) as queue:
        queue.enqueue_many([view(number) for number in range(7)], lane="bulk")
    file = tmp_path / "views.jsonl"
    file.write_text("".join(json.dumps(view(number)) + "\n" for number in range(100, 120)))
    told = command(desk.environment, "enqueue", str(file), "--lane", "bulk", "--dry-run", "--json").json
    assert (told["calls"], told["cost"]["backlog"], told["cost"]["left_today"]) == (20, 7, 60)
    assert "no worker is alive" in told["cost"]["blocked"]
    shown = command(desk.environment, "enqueue", str(file), "--dry-run").out
    assert "0 events wait before it" in shown
