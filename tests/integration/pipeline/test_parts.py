"""Holding a part: one broken producer, or one content, stops by itself and the company goes on."""

from collections.abc import Callable
from typing import Any

import pytest

from gong_views import ViewQueue
from gong_worker.domain.parts import Part, PartKind
from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations import gate
from gong_worker.operations.reconcile import reconcile
from gong_worker.operations.status import Hold, status
from gong_worker.queue import inspect
from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until
from tests.support.views import view

CRM = Part(PartKind.REPORTING_SYSTEM, "crm-sync")


def enqueue(pipeline: Pipeline, numbers: range, *systems: str, **fields: Any) -> None:
    """Events of systems in turn, their ids numbered."""
    with ViewQueue(pipeline.valkey.url) as queue:
        for number in numbers:
            for system in systems:
                queue.enqueue(view(number, reportingSystem=system, eventId=f"{system}-{number}", **fields))


def part_holds(pipeline: Pipeline) -> list[Hold]:
    """Those that status tells."""
    return [hold for hold in status(pipeline.services).gate.holds if hold.part is not None]


def delivered(pipeline: Pipeline, system: str) -> int:
    """Events of a system that Gong has."""
    return sum(1 for key in pipeline.gong.accepted() if key[0] == system)


def aside(pipeline: Pipeline, number: int) -> Callable[[], bool]:
    """Whether so many messages are set aside."""
    return lambda: inspect.count(pipeline.redis).held == number


def test_a_held_system_stops_alone(pipeline: Pipeline) -> None:
    """Its events are set aside, counted and found; the others go on; released, all of it is delivered, once."""
    gate.hold(pipeline.services, "broken release", by="ann", part=CRM)
    pipeline.worker()
    enqueue(pipeline, range(20), "crm-sync", "shop")
    wait_until(lambda: delivered(pipeline, "shop") == 20, "the others to be delivered")
    wait_until(aside(pipeline, 20), "its events to be set aside")
    wait_until(lambda: inspect.count(pipeline.redis).total == 20, "the others to be at their end")
    found = status(pipeline.services)
    assert found.gate.state == "open"
    [hold] = part_holds(pipeline)
    told = (hold.part, hold.reason, hold.note, hold.by, hold.messages)
    assert told == (CRM, "operator", "broken release", "ann", 20)
    assert found.queue.held == found.drain.events == 20
    assert found.drain.why == "20 are set aside until their parts are released"
    assert reconcile(pipeline.services).drift == []
    gate.release(pipeline.services, by="ann", part=CRM)
    pipeline.drain()
    assert delivered(pipeline, "crm-sync") == 20
    assert part_holds(pipeline) == reconcile(pipeline.services).drift == []
    assert pipeline.gong.stats()["calls"] == 40
    actions = pipeline.ledger.list_actions(limit=9).entries
    assert [(one.action.value, one.target) for one in actions] == [
        ("release", {"reporting_system": "crm-sync"}), ("hold", {"reporting_system": "crm-sync"}),
    ]  # fmt: skip


def test_a_hold_with_an_end_ends(pipeline: Pipeline) -> None:
    """A content held for some seconds is delivered then, by itself."""
    pipeline.worker()
    content = Part(PartKind.CONTENT_ID, "deck-9")
    gate.hold(pipeline.services, "a look", by="ann", for_seconds=3, part=content)
    wait_until(lambda: "action=part_held" in pipeline.workers[0].log, "the worker to know")
    enqueue(pipeline, range(3), "shop", contentId="deck-9")
    pipeline.drain()
    assert delivered(pipeline, "shop") == 3
    assert "action=part_released" in pipeline.workers[0].log


def test_refusals_of_one_system_hold_it_alone(pipeline: Pipeline) -> None:
    """Fifty of its events refused, another's accepted all the while: the system is held, the company is not."""
    pipeline.gong.fault("reject", times=None, match={"reportingSystem": "crm-sync"})
    pipeline.worker()
    enqueue(pipeline, range(80), "crm-sync", "shop")
    wait_until(lambda: delivered(pipeline, "shop") == 80, "the others to be delivered", 60)
    wait_until(lambda: bool(part_holds(pipeline)), "the system to be held")
    [hold] = part_holds(pipeline)
    assert (hold.part, hold.reason) == (CRM, "rejections")
    wait_until(lambda: inspect.count(pipeline.redis).total == inspect.count(pipeline.redis).held, "the rest")
    dead = pipeline.ledger.counts()["dead"]
    assert 50 <= dead < 80
    assert status(pipeline.services).gate.state == "open"
    pipeline.gong.clear_faults()
    gate.release(pipeline.services, by="ann")
    pipeline.drain()
    assert delivered(pipeline, "crm-sync") == 80 - dead


def test_what_is_set_aside_can_be_dropped(pipeline: Pipeline) -> None:
    """Dropped events are dead letters that can be replayed, at no call; what comes later is set aside as before."""
    with pytest.raises(ValueError, match="is not held"):
        gate.drop(pipeline.services, CRM, "test data", by="ann")
    gate.hold(pipeline.services, "broken release", by="ann", part=CRM)
    pipeline.worker()
    enqueue(pipeline, range(10), "crm-sync")
    wait_until(aside(pipeline, 10), "its events to be set aside")
    gate.drop(pipeline.services, CRM, "test data", by="ann")
    wait_until(lambda: pipeline.ledger.counts()["dead_letters_open"] == 10, "the letters")
    enqueue(pipeline, range(10, 13), "crm-sync")
    wait_until(aside(pipeline, 3), "the later ones to be set aside")
    groups = pipeline.ledger.dead_letter_groups(DeadLetterFilter())
    assert [(group.reason, group.count) for group in groups] == [("dropped", 10)]
    assert pipeline.gong.stats()["calls"] == 0
    assert reconcile(pipeline.services).drift == []
