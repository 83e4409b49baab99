"""Retry-After, our own backoff, and the adaptive rate."""

from datetime import timedelta
from itertools import pairwise

import pytest

from gong_views.names import Lane
from gong_worker.domain.holds import HoldReason
from gong_worker.domain.outcomes import Delivered, ServerError, Throttled
from gong_worker.gate import GateSettings, Go, Held, Open
from tests.integration.gate.support import FAR, World


def held_for(world: World, retry_after: float | None) -> float:
    """Seconds the gate is held after a 429 with this Retry-After."""
    gate = world.gate()
    world.call(gate, Throttled(retry_after_seconds=retry_after))
    held = gate.peek()
    assert isinstance(held, Held)
    assert held.reason is HoldReason.RETRY_AFTER
    assert held.until == world.clock.now + timedelta(seconds=held.retry_in_seconds)
    return held.retry_in_seconds


@pytest.mark.parametrize(
    ("given", "held"),
    [(3.0, 3.0), (0.0, 1.0), (-5.0, 1.0), (1e9, 86_700.0), (None, 2.0)],
)
def test_bounds(world: World, given: float | None, held: float) -> None:
    """Between 1 s and 86,700 s; without a usable value two seconds of our own."""
    assert held_for(world, given) == pytest.approx(held, abs=1e-5)


def test_holds_every_gate_and_every_slot_before_it(world: World) -> None:
    """A Retry-After holds all processes, slots already given included; a slot behind it stays good."""
    one, two = world.gate(FAR), world.gate(FAR, name="two")
    slots = [world.slot(two) for _ in range(12)]
    world.clock.until(slots[0].at)
    assert isinstance(two.confirm(slots[0]), Go)
    two.report(slots[0], "event", Throttled(retry_after_seconds=3.0), written_late_seconds=0.0)
    free_at = world.clock.monotonic() + 3.0
    assert isinstance(one.acquire(Lane.LIVE, "event"), Held)
    for slot in slots[1:]:
        world.clock.until(slot.at)
        answer = two.confirm(slot)
        assert isinstance(answer, Go if slot.at >= free_at else Held), slot
        if isinstance(answer, Go):
            assert world.clock.monotonic() >= free_at


def test_shorter_never_shortens(world: World) -> None:
    """A later, shorter Retry-After leaves the longer one in force."""
    gate = world.gate()
    first, second = world.go(gate), world.go(gate)
    gate.report(first, "a", Throttled(retry_after_seconds=60.0), written_late_seconds=0.0)
    gate.report(second, "b", Throttled(retry_after_seconds=2.0), written_late_seconds=0.0)
    held = gate.peek()
    assert isinstance(held, Held)
    assert held.retry_in_seconds == pytest.approx(60.0, abs=0.01)


def test_an_operator_may_end_it(world: World) -> None:
    """A release leaves a Retry-After in force; told to end even that, the next call is made at once, in pace."""
    gate = world.gate()
    world.call(gate, Throttled(retry_after_seconds=86_400.0))
    assert gate.release("op") == ()
    assert isinstance(gate.peek(), Held)
    assert gate.release("op", even_retry_after=True) == (HoldReason.RETRY_AFTER,)
    assert isinstance(gate.peek(), Open)
    world.clock.advance(1.0)
    slots = [world.go(gate) for _ in range(4)]
    assert slots[0].at == pytest.approx(world.clock.monotonic(), abs=5.0)
    assert all(late.at > early.at for early, late in pairwise(slots))


def test_evenly_spaced_restart(world: World) -> None:
    """When the wait is over the calls start one spacing apart, at the lower rate."""
    gate = world.gate(FAR)
    world.call(gate, Throttled(retry_after_seconds=3.0))
    world.clock.advance(3.0)
    slots = [world.slot(gate) for _ in range(4)]
    assert slots[0].at == pytest.approx(world.clock.monotonic(), abs=1e-4)
    for early, late in pairwise(slots):
        assert late.at - early.at == pytest.approx(1 / 1.5, abs=1e-3)


def test_own_backoff_doubles_until_a_success(world: World) -> None:
    """429s without Retry-After wait 2, 4, 8 s …, up to the ceiling; a success starts again at 2."""
    gate = world.gate(GateSettings(backoff_ceiling_seconds=10))
    waits = []
    for _ in range(4):
        world.call(gate, Throttled())
        held = gate.peek()
        assert isinstance(held, Held)
        waits.append(round(held.retry_in_seconds, 3))
        world.clock.advance(held.retry_in_seconds)
    assert waits == [2.0, 4.0, 8.0, 10.0]
    world.call(gate)
    world.call(gate, Throttled())
    held = gate.peek()
    assert isinstance(held, Held)
    assert held.retry_in_seconds == pytest.approx(2.0, abs=1e-5)


def test_503_with_retry_after_holds(world: World) -> None:
    """A 503's Retry-After is honoured too, and one without it only counts for the breaker."""
    gate = world.gate()
    world.call(gate, ServerError(503), key="a")
    assert gate.peek() == Open()
    world.call(gate, ServerError(503, retry_after_seconds=7.0), key="b")
    held = gate.peek()
    assert isinstance(held, Held)
    assert (held.reason, round(held.retry_in_seconds)) == (HoldReason.RETRY_AFTER, 7)


class TestAdaptive:
    """The rate gives way to others, and comes back."""

    def test_halved_once_per_event(self, world: World) -> None:
        """Many 429s of calls that were out together are one event: the rate is halved once."""
        gate = world.gate()
        slots = [world.go(gate) for _ in range(4)]
        for slot in slots:
            gate.report(slot, "event", Throttled(retry_after_seconds=1.0), written_late_seconds=0.0)
        assert gate.status().current_rate == pytest.approx(1.5)
        world.clock.advance(1.0)
        world.call(gate, Throttled(retry_after_seconds=1.0))
        assert gate.status().current_rate == pytest.approx(0.75, abs=0.01)

    @pytest.mark.parametrize(("limit", "later"), [(3.0, 1.8), (30.0, 18.0)])
    def test_recovery_scales_with_the_limit(self, world: World, limit: float, later: float) -> None:
        """0.03 calls/s² at a limit of 3, in proportion elsewhere: whole again 50 s after the hold ended."""
        gate = world.gate(GateSettings(calls_per_second=limit))
        world.call(gate, Throttled(retry_after_seconds=100.0))
        world.clock.advance(100)
        assert gate.status().current_rate == pytest.approx(limit / 2)
        world.clock.advance(10)
        assert gate.status().current_rate == pytest.approx(later)
        world.clock.advance(41)
        assert gate.status().current_rate == limit

    def test_floor(self, world: World) -> None:
        """However many 429s, some calls go on being made."""
        gate = world.gate()
        for _ in range(12):
            world.call(gate, Throttled(retry_after_seconds=1.0))
            world.clock.advance(1.0)
        assert gate.status().current_rate == pytest.approx(0.25)
        slots = [world.slot(gate) for _ in range(2)]
        assert slots[1].at - slots[0].at == pytest.approx(4.0, abs=0.1)

    def test_lone_429_costs_little(self, world: World) -> None:
        """One 429 in ten minutes costs a lone system less than 3% of its calls."""
        gate = world.gate()
        world.call(gate, Throttled(retry_after_seconds=1.0))
        world.clock.advance(1.0)
        start, calls = world.clock.monotonic(), 0
        while world.clock.monotonic() < start + 600:
            world.call(gate, Delivered(200))
            calls += 1
        assert calls >= 0.97 * 0.98 * 1800
