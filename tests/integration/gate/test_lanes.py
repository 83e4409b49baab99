"""Lanes: bulk never stands in a live event's way, and costs few round trips."""

import random
import threading

import pytest

from gong_views.names import Lane
from gong_worker.gate import GateSettings, Later, Slot
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
    """Bulk alone, from many askers in several processes, gets its 97% within the law, in few round trips."""
    gates = [world.gate(name=f"worker {number}") for number in range(3)]
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
