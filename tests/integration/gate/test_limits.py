"""Limits in force: from the environment of the last starter, or set live."""

from dataclasses import replace

import pytest

from gong_worker.gate import Gate, GateSettings
from tests.integration.gate.support import FAR, World


def limits(gate: Gate) -> tuple[float, int, int]:
    status = gate.status()
    return status.per_second_limit, status.per_day_limit, status.per_day_cap


def test_restart_of_one_worker_is_enough(world: World) -> None:
    """A worker started with other settings changes them for all, without stopping the others."""
    running = world.gate()
    world.call(running)
    world.call(world.gate(GateSettings(calls_per_second=10, calls_per_day=30_000), name="restarted"))
    assert limits(running) == (10.0, 30_000, 29_500)
    first, second = world.slot(running), world.slot(running)
    assert second.at - first.at < 0.11
    assert running.status().limits_set_by == "restarted"


def test_live_limits_outlive_a_restart(world: World) -> None:
    """Limits set live stay when a worker starts with an unchanged environment, and go when it has changed."""
    world.call(world.gate())
    world.gate().set_limits(calls_per_second=5, day_reserve=1000)
    restarted = world.gate()
    world.call(restarted)
    assert limits(restarted) == (5.0, 10_000, 9_000)
    world.call(world.gate(GateSettings(calls_per_second=4)))
    assert limits(restarted) == (4.0, 10_000, 9_500)


def test_looking_changes_nothing(world: World) -> None:
    """A command with other settings in its environment shows the workers' limits and leaves them alone."""
    world.call(world.gate())
    looker = world.gate(GateSettings(calls_per_second=50))
    assert limits(looker) == (3.0, 10_000, 9_500)
    looker.peek()
    looker.hold("x", "ann")
    looker.release("ann")
    assert limits(looker) == (3.0, 10_000, 9_500)


def test_a_fresh_redis_shows_our_own(world: World) -> None:
    """Before any worker has started, status shows the settings at hand and the ledger's day."""
    gate = world.gate(history=lambda _: [(world.clock.now, 7)])
    assert limits(gate) == (3.0, 10_000, 9_500)
    assert gate.status().last_24h == 7


def test_after_a_wipe_the_workers_limits_count(world: World) -> None:
    """A command that looks at a wiped Redis first leaves its own limits there only until a worker comes."""
    worker = world.gate(GateSettings(calls_per_second=3, calls_per_day=20, day_reserve=5))
    world.call(worker)
    world.redis.flushall()
    looker = world.gate(GateSettings(calls_per_second=50))
    assert limits(looker) == (50.0, 10_000, 9_500)
    world.call(worker)
    assert limits(looker) == (3.0, 20, 15)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"calls_per_second": 0}, "calls_per_second"),
        ({"day_reserve": 10_000}, "day_reserve"),
        ({"calls_per_day": 400}, "day_reserve"),
        ({"calls_per_day": -1}, "calls_per_day"),
    ],
)
def test_contradictions_are_refused(world: World, change: dict[str, int], names: str) -> None:
    """Limits that make no sense together are refused by name, in the settings and live."""
    gate = world.gate()
    with pytest.raises(ValueError, match=names):
        gate.set_limits(**change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=names):
        GateSettings(**change)  # type: ignore[arg-type]
    assert limits(gate) == (3.0, 10_000, 9_500)


def test_lowered_limit_binds_slots_already_given(world: World) -> None:
    """After the limit is lowered, slots reserved under the old one keep the new law."""
    gate = world.gate(replace(FAR, calls_per_second=50))
    slots = [world.slot(gate) for _ in range(50)]
    gate.set_limits(calls_per_second=2)
    sent = []
    for slot in slots:
        world.clock.until(slot.at)
        if type(gate.confirm(slot)).__name__ == "Go":
            sent.append(slot.at)
    assert len(sent) <= 4
    assert all(later - early >= 1.0 for early, later in zip(sent, sent[2:], strict=False))
