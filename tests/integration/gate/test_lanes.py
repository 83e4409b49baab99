"""Lanes: bulk never stands in a live event's way, and costs few round trips."""

import random
import threading

import pytest

from gong_views.names import Lane
from gong_worker.gate import Gate, GateSettings, Later, Slot
from tests.integration.gate.support import FAR, Simulation, World, shortest_window


@pytest.mark.parametrize("rate", [0.5, 3.0, 50.0])
def test_live_waits_two_slots_at_most(world: World, rate: float) -> None:
    """With twelve bulk askers at work a live event is called within two slots (or 0.1 s, if longer)."""
    gate = world.gate(GateSettings(calls_per_second=rate))
    dice = random.Random(3)
    run = Simulation(world, gate, Lane.BULK, wake=lambda: dice.uniform(0, 0.002))
    waits: list[float] = []

    def live() -> None:
        slot = gate.acquire(Lane.LIVE, "live")
        assert isinstance(slot, Slot)
        waits.append(slot.at - world.clock.monotonic())

        run.at(slot.at, lambda: gate.refund(slot))

    for number in range(20):
        run.at(world.clock.monotonic() + (10 + 7.3 * number) / rate, live)
    run.run(workers=12, seconds=170 / rate)
    assert len(waits) == 20
    assert max(waits) <= max(2 * 1.04 / rate, 0.1) + 0.01


def test_bulk_alone_uses_the_whole_rate(world: World) -> None:
    """Bulk alone, if it is to leave nothing, gets its 97% from many askers in several processes, in few round trips."""
    whole = GateSettings(bulk_reserve_per_second=0)
    gates = [world.gate(whole, name=f"worker {number}") for number in range(3)]
    dice = random.Random(4)
    runs = [Simulation(world, gate, Lane.BULK, wake=lambda: dice.uniform(0, 0.003)) for gate in gates]
    first = runs[0]
    for run in runs[1:]:
        run.at = first.at  # type: ignore[method-assign]
        run.arrivals = first.arrivals
        for _ in range(4):
            first.at(world.clock.monotonic(), run._acquire)
    arrivals = first.run(workers=4, seconds=100)
    assert shortest_window(arrivals, 3) >= 1.0
    assert len(arrivals) >= 0.97 * 300
    assert sum(gate.round_trips for gate in gates) / len(arrivals) <= 5


def test_live_goes_first(world: World) -> None:
    """While live events have reserved more than a slot ahead, bulk is told to come later."""
    gate = world.gate(FAR)
    for _ in range(5):
        world.slot(gate)
    later = gate.acquire(Lane.BULK, "bulk")
    assert isinstance(later, Later)
    world.clock.advance(later.retry_in_seconds)
    assert isinstance(gate.acquire(Lane.BULK, "bulk"), Slot)


def test_bulk_askers_of_a_process_share_a_round_trip(world: World) -> None:
    """Askers that are early are told so without asking Redis."""
    gate = world.gate(FAR)
    for _ in range(5):
        world.slot(gate)
    gate.acquire(Lane.BULK, "bulk")
    before = gate.round_trips
    answers = []

    def ask() -> None:
        answers.append(gate.acquire(Lane.BULK, "bulk"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(answer) for answer in answers] == [Later] * 8
    assert gate.round_trips == before


def mixed(
    world: World, gate: Gate, live_per_second: float, seconds: float
) -> tuple[list[float], list[float]]:
    """When a backlog of bulk calls arrives, and live ones that come so often."""
    dice = random.Random(5)
    run = Simulation(world, gate, Lane.BULK, wake=lambda: dice.uniform(0, 0.002))
    live = Simulation(world, gate, Lane.LIVE, endless=False)
    live.at = run.at  # type: ignore[method-assign]
    start = world.clock.monotonic()
    for number in range(int(live_per_second * seconds)):
        run.at(start + number / live_per_second, live._acquire)
    run.run(workers=6, seconds=seconds)
    return live.arrivals, run.arrivals


@pytest.mark.parametrize(("limit", "reserve"), [(3, None), (10, None), (10, 4)])
def test_bulk_leaves_its_reserve_to_others(world: World, limit: int, reserve: int | None) -> None:
    """A backlog of bulk fills what the reserve leaves of each second, live calls counted; those may use all."""
    gate = world.gate(GateSettings(calls_per_second=limit, bulk_reserve_per_second=reserve))
    left = limit - (1 if reserve is None else reserve)
    live, bulk = mixed(world, gate, 0.5, 60)
    assert shortest_window(live + bulk, limit) >= 1.0
    assert len(live) >= 29
    crowded = [at for at in bulk if sum(at - 1 < one <= at for one in live + bulk) > left]
    assert len(crowded) <= 60 / 5
    assert 0.95 * left * 60 <= len(live + bulk) <= (left + 0.2) * 60


def test_live_events_do_not_starve_bulk(world: World) -> None:
    """Where live events alone fill what bulk may use, bulk gets a call in every few seconds all the same."""
    gate = world.gate()
    live, bulk = mixed(world, gate, 2.2, 60)
    assert shortest_window(live + bulk, 3) >= 1.0
    assert len(live) >= 0.97 * 2.2 * 60
    assert len(bulk) >= 60 / 7
