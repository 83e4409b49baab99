"""Workers that stop or die: what they had reserved costs the others next to nothing."""

import random

import pytest

from gong_views.names import Lane
from gong_worker.domain.outcomes import Delivered, Unauthorized
from gong_worker.gate import GateSettings, Go, Held, Lapsed, Later, Slot
from gong_worker.gate.scripts import KEYS
from tests.integration.gate.support import FAR, Simulation, World, restore, shortest_window, snapshot


@pytest.mark.parametrize("seed", range(5))
def test_slots_given_back_are_used_again(world: World, seed: int) -> None:
    """Whichever slots are given back, in whatever order: the next askers get these moments, the earliest first."""
    dice = random.Random(seed)
    gate = world.gate(FAR)
    slots = [world.slot(gate) for _ in range(20)]
    back = dice.sample(slots[1:], 12)
    for slot in back:
        gate.refund(slot)
    again = [world.slot(gate).at for _ in range(12)]
    assert again == pytest.approx(sorted(slot.at for slot in back), abs=1e-5)
    assert world.slot(gate).at == pytest.approx(slots[-1].at + 1.038 / 3, abs=1e-5)


def test_a_slot_given_back_too_late_is_gone(world: World) -> None:
    """A moment that has passed is not given again."""
    gate = world.gate(FAR)
    slots = [world.slot(gate) for _ in range(5)]
    world.clock.until(slots[2].at + 0.01)
    gate.refund(slots[1])
    gate.refund(slots[3])
    assert world.slot(gate).at == pytest.approx(slots[3].at)


@pytest.mark.parametrize("lane", Lane)
def test_a_killed_process_costs_two_seconds(world: World, lane: Lane) -> None:
    """64 askers of one process die with what they had reserved: the next call is made within two seconds."""
    dying, other = world.gate(), world.gate(name="other")
    for _ in range(64):
        dying.acquire(lane, "event")
        other.acquire(lane, "waits already")
    start = world.clock.monotonic()
    while not isinstance(answer := other.acquire(lane, "event"), Slot):
        assert isinstance(answer, Later)
        world.clock.advance(answer.retry_in_seconds)
    world.clock.until(answer.at)
    assert isinstance(other.confirm(answer), Go)
    assert world.clock.monotonic() - start <= 2


@pytest.mark.parametrize("lane", Lane)
def test_many_processes_use_the_whole_rate(world: World, lane: Lane) -> None:
    """Twelve processes of eight threads: 97% of the rate within the law, though nobody reserves far ahead."""
    dice = random.Random(9)
    whole = GateSettings(bulk_reserve_per_second=0)
    gates = [world.gate(whole, name=f"worker {number}") for number in range(12)]
    runs = [Simulation(world, gate, lane, wake=lambda: dice.uniform(0, 0.003)) for gate in gates]
    first = runs[0]
    for run in runs[1:]:
        run.at = first.at  # type: ignore[method-assign]
        run.arrivals = first.arrivals
        for _ in range(8):
            first.at(world.clock.monotonic(), run._acquire)
    arrivals = first.run(workers=8, seconds=60)
    assert shortest_window(arrivals, 3) >= 1.0
    assert len(arrivals) >= 0.97 * 180
    assert sum(gate.round_trips for gate in gates) / len(arrivals) <= 10


def test_a_slow_probe_is_not_taken_for_dead(world: World) -> None:
    """A worker whose requests may take five minutes keeps its probe as long, whatever the others' lease."""
    slow = world.gate(GateSettings(probe_lease_seconds=315))
    other = world.gate(name="other")
    world.call(other, Unauthorized(401))
    world.clock.advance(5)
    slot = world.go(slow, "slow")
    assert slot.probe
    for _ in range(31):
        world.clock.advance(10)
        assert isinstance(other.acquire(Lane.LIVE, "other"), Held)
    slow.report(slot, "slow", Delivered(200), written_late_seconds=0.0)
    assert isinstance(other.acquire(Lane.LIVE, "other"), Slot)


class TestRewind:
    """A failover to a replica that is behind."""

    def test_the_day_is_counted_anew(self, world: World) -> None:
        """A slot that the promoted replica never heard of shows it: the day comes from the ledger, not from it."""
        gate = world.gate(FAR, history=lambda _: [(world.clock.now, 40)])
        for _ in range(3):
            world.call(gate)
        before = snapshot(world)
        for _ in range(4):
            world.call(gate)
        pending = world.slot(gate)
        restore(world, before)
        world.clock.until(pending.at)
        assert gate.confirm(pending) == Lapsed("void")
        world.call(gate)
        assert gate.status().last_24h == 41

    def test_two_slots_never_share_a_name(self, world: World) -> None:
        """Numbers given twice are two slots all the same: neither is taken for the other."""
        gate, other = world.gate(), world.gate(name="other")
        world.call(gate)
        before = snapshot(world)
        mine = world.slot(gate)
        restore(world, before)
        yours = world.slot(other)
        world.clock.until(yours.at)
        assert isinstance(other.confirm(yours), Go)
        assert isinstance(gate.confirm(mine), Go)
        assert world.redis.zcard(KEYS[3]) == 3
        gate.refund(mine)
        assert gate.status().last_24h == 2
