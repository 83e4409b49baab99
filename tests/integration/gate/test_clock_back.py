"""Redis's clock set back, by a step or by a failover to a host that is behind: a pause of seconds, nothing lost."""

from datetime import datetime

import pytest

from gong_views.names import Lane
from gong_worker.domain.holds import HoldReason
from gong_worker.domain.outcomes import Outcome, ServerError, Throttled, Unauthorized
from gong_worker.gate import Gate, GateSettings, Go, Held, Lapsed, Slot
from gong_worker.gate.clock import RedisClock
from tests.integration.gate.support import FAR, World, shortest_window

SMALL = GateSettings(calls_per_day=10, day_reserve=4)
STEPS = [0.5, 90.0, 7 * 3600.0]


def step_back(world: World, seconds: float) -> None:
    """Redis's clock goes back; the processes' monotonic clocks do not."""
    world.clock.redis_offset_us -= round(seconds * 1e6)


def next_call(world: World, gate: Gate) -> float:
    """Seconds until the next call, as a worker gets it: it asks, waits, and asks again."""
    start = world.clock.monotonic()
    while True:
        answer = gate.acquire(Lane.LIVE, "event")
        if isinstance(answer, Slot):
            world.clock.until(answer.at)
            if isinstance(gate.confirm(answer), Go):
                return world.clock.monotonic() - start
        else:
            world.clock.advance(min(answer.retry_in_seconds, 0.5) + 1e-6)


@pytest.mark.parametrize("seconds", STEPS)
@pytest.mark.parametrize("lane", Lane)
def test_the_pause_is_a_window_and_little_more(world: World, seconds: float, lane: Lane) -> None:
    """After a step back the next call comes within 1.5 s, the pace is the law's, and the day forgets nothing."""
    gate = world.gate()
    sent = []
    for _ in range(5):
        next_call(world, gate)
        sent.append(world.clock.monotonic())
    pending = world.slot(gate)
    gate.acquire(lane, "waits")
    step_back(world, seconds)
    world.clock.until(pending.at)
    assert gate.confirm(pending) == Lapsed("void")
    assert next_call(world, gate) <= 1.5
    sent.append(world.clock.monotonic())
    for _ in range(10):
        assert next_call(world, gate) <= 0.5
        sent.append(world.clock.monotonic())
    assert shortest_window(sent, 3) >= 1.0
    assert gate.status().last_24h == 16
    world.clock.advance(86_400 + 360)
    assert gate.status().last_24h == 0


@pytest.mark.parametrize("seconds", STEPS)
def test_holds_last_as_long_as_before(world: World, seconds: float) -> None:
    """A Retry-After, a refused credential, the breaker and the operator's hold keep what they had left, not more."""
    for outcome, left in [
        (Throttled(retry_after_seconds=60), 60),
        (Unauthorized(401), 5),
        (ServerError(500), 5),
    ]:
        world.redis.flushall()
        gate = world.gate()
        left_over(world, gate, outcome, left, seconds)
    world.redis.flushall()
    gate = world.gate()
    world.call(gate)
    gate.hold("lunch", "ann", for_seconds=600)
    step_back(world, seconds)
    held = gate.peek()
    assert isinstance(held, Held)
    assert held.retry_in_seconds == pytest.approx(600, abs=0.01)


def left_over(world: World, gate: Gate, outcome: Outcome, left: float, seconds: float) -> None:
    for number in range(5 if isinstance(outcome, ServerError) else 1):
        world.call(gate, outcome, key=f"event {number}")
    step_back(world, seconds)
    for look in (gate.peek, lambda: gate.acquire(Lane.LIVE, "another")):
        held = look()
        assert isinstance(held, Held)
        assert held.retry_in_seconds == pytest.approx(left, abs=0.01)
    assert gate.status().reason is held.reason
    world.clock.advance(left)
    assert next_call(world, gate) <= 1.5


def test_the_day_spent_in_the_future_ends_a_day_from_now(world: World) -> None:
    """Calls counted while the clock was a day ahead are a day old one day after it was set right, not two."""
    gate = world.gate(GateSettings(calls_per_day=10, day_reserve=4))
    for _ in range(6):
        world.call(gate)
    step_back(world, 86_400)
    held = gate.acquire(Lane.LIVE, "event")
    assert isinstance(held, Held)
    assert held.reason is HoldReason.DAILY_QUOTA
    assert held.retry_in_seconds <= 86_400 + 400


def test_a_leap_forward_and_back(world: World) -> None:
    """Set an hour ahead for ten calls and then right again: calls go on within seconds both times."""
    gate = world.gate(FAR)
    next_call(world, gate)
    step_back(world, -3600)
    for _ in range(10):
        assert next_call(world, gate) <= 1.5
    step_back(world, 3600)
    for _ in range(10):
        assert next_call(world, gate) <= 1.5
    assert gate.status().last_24h == 21


def test_the_day_is_still_compared_once_a_minute(world: World) -> None:
    """After a step back of an hour the next comparison with the ledger is due within a minute, not in an hour."""
    asked: list[datetime] = []
    gate = world.gate(history=lambda since: asked.append(since) or ())  # type: ignore[func-returns-value]
    world.call(gate)
    step_back(world, -3600)
    gate.compare_day()
    step_back(world, 3600)
    next_call(world, gate)
    asked.clear()
    world.clock.advance(60)
    gate.compare_day()
    assert len(asked) == 1


def test_calls_recorded_in_the_future_do_not_cost_the_quota_for_ever(world: World) -> None:
    """What the ledger has of a time that Redis's clock had leapt to is counted for a day after that, not for longer.

    Those of the present, which the leap had made a day old, are counted again, too.
    """
    made: list[datetime] = []
    gate = world.gate(SMALL, history=lambda since: [(at, 1) for at in made if at >= since])
    for number in range(5):
        next_call(world, gate)
        made.append(world.clock.now)
        if number == 1:
            step_back(world, -400 * 86_400)
    step_back(world, 400 * 86_400)
    next_call(world, gate)
    made.append(world.clock.now)
    for _ in range(3):
        world.clock.advance(60)
        gate.compare_day()
    assert gate.status().last_24h == 6
    world.clock.advance(86_400 + 400)
    gate.compare_day()
    assert gate.status().last_24h == 0


def test_redis_clock_is_followed_by_its_replies() -> None:
    """The first reply after a step maps slots to the right local time."""
    clock = RedisClock()
    clock.observe(100.0, 100.001, 1_000_000_000_000_000)
    clock.observe(101.0, 101.001, 1_000_000_000_000_000 - 89_000_000)
    assert clock.to_local(1_000_000_000_000_000 - 88_000_000) == pytest.approx(102.0, abs=0.002)
