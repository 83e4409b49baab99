"""Retry-After and our own backoff."""

from datetime import timedelta
from itertools import pairwise

import pytest

from gong_views.names import Lane
from gong_worker.domain.holds import HoldReason
from gong_worker.domain.outcomes import ServerError, Throttled
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
    """When the wait is over the calls start one spacing apart."""
    gate = world.gate(FAR)
    world.call(gate, Throttled(retry_after_seconds=3.0))
    world.clock.advance(3.0)
    slots = [world.slot(gate) for _ in range(4)]
    assert slots[0].at == pytest.approx(world.clock.monotonic(), abs=1e-4)
    for early, late in pairwise(slots):
        assert late.at - early.at == pytest.approx(1.038 / 3, abs=1e-3)


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [(None, [2, 2, 4, 8, 10, 10]), (1.0, [1, 1, 2, 4, 8, 10]), (30.0, [30, 30, 30, 30])],
)
def test_the_wait_doubles_until_a_success(
    world: World, retry_after: float | None, expected: list[float]
) -> None:
    """From the third 429 without a success on the wait doubles, up to the ceiling; it is never below Gong's."""
    gate = world.gate(GateSettings(backoff_ceiling_seconds=10))

    def wait() -> float:
        world.call(gate, Throttled(retry_after_seconds=retry_after))
        held = gate.peek()
        assert isinstance(held, Held)
        world.clock.advance(held.retry_in_seconds)
        return round(held.retry_in_seconds, 3)

    assert [wait() for _ in expected] == expected
    world.call(gate)
    assert wait() == expected[0]


def test_503_with_retry_after_holds(world: World) -> None:
    """A 503's Retry-After is honoured too, and one without it only counts for the breaker."""
    gate = world.gate()
    world.call(gate, ServerError(503), key="a")
    assert gate.peek() == Open()
    world.call(gate, ServerError(503, retry_after_seconds=7.0), key="b")
    held = gate.peek()
    assert isinstance(held, Held)
    assert (held.reason, round(held.retry_in_seconds)) == (HoldReason.RETRY_AFTER, 7)
