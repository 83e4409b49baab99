"""The breaker: different events failing in a row, one leased probe, late results without effect."""

import pytest

from gong_views.names import Lane
from gong_worker.domain.holds import HoldReason
from gong_worker.domain.outcomes import (
    AlreadyReported,
    Ambiguous,
    Delivered,
    Outcome,
    Rejected,
    ServerError,
    Throttled,
    Unreachable,
)
from gong_worker.gate import Gate, Go, Held, Lapsed, Open, Slot
from tests.integration.gate.support import FAR, World


def trip(world: World, gate: Gate) -> None:
    """Five different events fail."""
    for number in range(5):
        world.call(gate, ServerError(500), key=f"event {number}")


def held(gate: Gate) -> Held:
    answer = gate.peek()
    assert isinstance(answer, Held)
    assert answer.reason is HoldReason.BREAKER
    return answer


def probe(world: World, gate: Gate, key: str = "probe") -> Slot:
    """Wait out the cooldown and get the probe, confirmed."""
    world.clock.advance(held(gate).retry_in_seconds)
    slot = world.go(gate, key)
    assert slot.probe
    return slot


@pytest.mark.parametrize("outcome", [ServerError(500), Unreachable("refused"), Ambiguous("timeout")])
def test_different_events_in_a_row(world: World, outcome: Outcome) -> None:
    """The fifth different event that fails in a row holds the gate, not the fourth."""
    gate = world.gate()
    for number in range(4):
        world.call(gate, outcome, key=f"event {number}")
    assert gate.peek() == Open()
    world.call(gate, outcome, key="another")
    assert held(gate).retry_in_seconds == pytest.approx(5.0, abs=0.01)


def test_long_keys_that_begin_alike_are_different_events(world: World) -> None:
    """Events whose keys differ only after hundreds of characters trip the breaker like any others."""
    gate = world.gate()
    for number in range(5):
        world.call(gate, ServerError(500), key="a long name of a system " * 20 + str(number))
    assert held(gate).retry_in_seconds == pytest.approx(5.0, abs=0.01)


def test_one_bad_event_is_not_an_outage(world: World) -> None:
    """One event that fails however often does not hold the others."""
    gate = world.gate()
    for _ in range(20):
        world.call(gate, ServerError(500), key="the same")
    assert gate.peek() == Open()


@pytest.mark.parametrize("outcome", [Delivered(200), AlreadyReported(), Rejected(400)])
def test_a_success_starts_again(world: World, outcome: Outcome) -> None:
    """Any call that worked ends the row of failures."""
    gate = world.gate()
    for number in range(12):
        world.call(gate, ServerError(500), key=f"event {number}")
        if number % 4 == 3:
            world.call(gate, outcome, key="good")
    assert gate.peek() == Open()


def test_one_probe_for_all(world: World) -> None:
    """After the cooldown exactly one caller gets through; its success opens the gate."""
    gate, other = world.gate(), world.gate(name="other")
    trip(world, gate)
    slot = probe(world, gate)
    assert isinstance(other.acquire(Lane.LIVE, "event"), Held)
    assert isinstance(gate.acquire(Lane.BULK, "event"), Held)
    assert isinstance(other.peek(), Held)
    gate.report(slot, "probe", Delivered(200), written_late_seconds=0.0)
    assert not world.slot(other).probe


def test_cooldown_doubles_to_its_ceiling(world: World) -> None:
    """Each probe that fails doubles the cooldown, up to five minutes; a success starts it again."""
    gate = world.gate()
    trip(world, gate)
    waits = []
    for number in range(8):
        waits.append(round(held(gate).retry_in_seconds))
        key = f"probe {number}"
        gate.report(probe(world, gate, key), key, Ambiguous("timeout"), written_late_seconds=0.0)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    gate.report(probe(world, gate), "probe", Delivered(200), written_late_seconds=0.0)
    trip(world, gate)
    assert round(held(gate).retry_in_seconds) == 5


def test_dead_prober_is_replaced(world: World) -> None:
    """A probe whose owner died is given to another when its lease ends; the dead one's slot is void."""
    gate, other = world.gate(), world.gate(name="other")
    trip(world, gate)
    world.clock.advance(5)
    dead = world.slot(gate, "probe")
    answer = other.acquire(Lane.LIVE, "event")
    assert isinstance(answer, Held)
    assert answer.retry_in_seconds == pytest.approx(60, abs=0.01)
    world.clock.advance(60)
    slot = world.slot(other, "event")
    assert slot.probe
    assert isinstance(gate.confirm(dead), Lapsed)
    world.clock.until(slot.at)
    assert isinstance(other.confirm(slot), Go)


def test_refunded_probe_is_free_at_once(world: World) -> None:
    """A worker that stops in an orderly way gives the probe to the next."""
    gate = world.gate()
    trip(world, gate)
    world.clock.advance(5)
    gate.refund(world.slot(gate, "probe"))
    assert world.slot(gate, "event").probe


def test_late_results_change_nothing(world: World) -> None:
    """Results of calls confirmed before the trip neither open the gate nor lengthen the hold."""
    gate = world.gate()
    old = [world.go(gate, f"old {number}") for number in range(8)]
    trip(world, gate)
    before = held(gate)
    for number, slot in enumerate(old):
        outcome = Delivered(200) if number % 2 else ServerError(500)
        gate.report(slot, f"old {number}", outcome, written_late_seconds=0.0)
    assert held(gate).until == before.until
    gate.report(probe(world, gate), "probe", Delivered(200), written_late_seconds=0.0)
    assert gate.peek() == Open()


def test_failures_before_the_probe_do_not_reopen(world: World) -> None:
    """After the gate has opened, failures of calls from before do not count."""
    gate = world.gate()
    old = [world.go(gate, f"old {number}") for number in range(8)]
    trip(world, gate)
    gate.report(probe(world, gate), "probe", Delivered(200), written_late_seconds=0.0)
    for number, slot in enumerate(old):
        gate.report(slot, f"old {number}", ServerError(500), written_late_seconds=0.0)
    assert gate.peek() == Open()


def test_slots_from_before_the_trip_are_refused(world: World) -> None:
    """Waiters that had their slot when the breaker tripped make no call, due for a probe or not."""
    gate = world.gate(FAR)
    slots = [world.slot(gate) for _ in range(40)]
    for number, slot in enumerate(slots[:5]):
        world.clock.until(slot.at)
        assert isinstance(gate.confirm(slot), Go)
        gate.report(slot, f"event {number}", ServerError(500), written_late_seconds=0.0)
    for slot in slots[5:]:
        world.clock.until(slot.at)
        assert isinstance(gate.confirm(slot), Held)


def test_throttled_probe(world: World) -> None:
    """A probe that is answered 429 shows that Gong is up: the Retry-After holds, the breaker does not."""
    gate = world.gate()
    trip(world, gate)
    gate.report(probe(world, gate), "probe", Throttled(retry_after_seconds=2.0), written_late_seconds=0.0)
    answer = gate.peek()
    assert isinstance(answer, Held)
    assert answer.reason is HoldReason.RETRY_AFTER


def test_probe_waits_for_nobody(world: World) -> None:
    """The probe does not queue behind the slots of waiters that are held."""
    gate = world.gate(FAR)
    slots = [world.slot(gate) for _ in range(60)]
    for number, slot in enumerate(slots[:5]):
        world.clock.until(slot.at)
        assert isinstance(gate.confirm(slot), Go)
        gate.report(slot, f"event {number}", ServerError(500), written_late_seconds=0.0)
    world.clock.advance(held(gate).retry_in_seconds)
    assert world.slot(gate, "probe").at <= world.clock.monotonic() + 1e-4
