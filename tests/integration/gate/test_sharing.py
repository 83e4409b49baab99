"""What other integrations of the company leave: found out in whole calls, given back, and told."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gong_views.names import Lane
from gong_worker.domain.outcomes import Throttled
from gong_worker.gate import Gate, GateSettings, Held, Share
from tests.integration.gate.support import World

REFUSED = Throttled(retry_after_seconds=1.0)


def calls_of(gate: Gate, lane: Lane = Lane.LIVE) -> int:
    """Whole calls in a second that are let through now."""
    return gate.status().shares[lane].calls


def backlog(world: World, gate: Gate, seconds: float) -> int:
    """Calls that are made of a backlog within so many seconds."""
    end, calls = world.clock.monotonic() + seconds, 0
    while world.clock.monotonic() < end:
        held = gate.peek()
        if isinstance(held, Held):
            world.clock.advance(held.retry_in_seconds)
        world.call(gate)
        calls += 1
    return calls


def refuse(world: World, gate: Gate) -> None:
    """A call is refused with Retry-After 1, and the wait is over."""
    world.call(gate, REFUSED)
    held = gate.peek()
    assert isinstance(held, Held)
    world.clock.advance(held.retry_in_seconds)


def lowered(world: World, gate: Gate, to: int) -> None:
    """Refusals one after another until no more than that is used."""
    backlog(world, gate, 2)
    for _ in range(10):
        refuse(world, gate)
        if calls_of(gate) <= to:
            return
    raise AssertionError(f"still {calls_of(gate)}")


@pytest.mark.parametrize("limit", [3, 20])
def test_a_stray_refusal_only_costs_its_wait(world: World, limit: int) -> None:
    """One 429 with Retry-After 1 costs a lone system its wait and a spacing, at any limit."""
    gate = world.gate(GateSettings(calls_per_second=limit, calls_per_day=10_000_000))
    before = backlog(world, gate, 8)
    world.call(gate, REFUSED)
    after = backlog(world, gate, 8)
    assert before - after <= limit + 3
    assert calls_of(gate) == limit
    assert gate.status().shares[Lane.LIVE].growth == ()


def test_refusals_in_a_row_leave_whole_calls(world: World) -> None:
    """A refusal soon after another leaves what we had in its second, then less, and never nothing."""
    gate = world.gate()
    backlog(world, gate, 10)
    found = []
    for _ in range(4):
        refuse(world, gate)
        found.append(calls_of(gate))
    assert found == [3, 2, 1, 1]


def test_many_refusals_at_once_are_one(world: World) -> None:
    """429s of calls that were out together say one thing."""
    gate = world.gate()
    lowered(world, gate, 2)
    slots = [world.go(gate) for _ in range(3)]
    for slot in slots:
        gate.report(slot, "event", REFUSED, written_late_seconds=0.0)
    assert calls_of(gate) == 1


def test_it_dwells_then_grows_in_steps_that_double(world: World) -> None:
    """After a dwell of 24 s without a refusal more is tried every 5 s, until the limit holds; status foretells it."""
    gate = world.gate(GateSettings(calls_per_second=20, calls_per_day=10_000_000))
    lowered(world, gate, 10)
    share = gate.status().shares[Lane.LIVE]
    start = gate.status().now + timedelta(seconds=24)
    unit = 1
    expected, step = [], 1
    while not expected or expected[-1][1] < 20:
        expected.append(
            (start + timedelta(seconds=5 * (step - 1)), min(20, share.calls + unit * (2**step - 1)))
        )
        step += 1
    assert [(round((at - start).total_seconds(), 3), calls) for at, calls in share.growth] == [
        (round((at - start).total_seconds(), 3), calls) for at, calls in expected
    ]
    world.clock.advance(23.9)
    assert calls_of(gate) == share.calls
    world.clock.advance(0.2)
    for _, calls in expected:
        assert calls_of(gate) == calls
        world.clock.advance(5)
    assert gate.status().shares[Lane.LIVE] == Share(20, 20, ())


def test_a_refused_trial_goes_back_to_what_held(world: World) -> None:
    """A refusal while more is tried goes back to the level before, not below, however many trials fail."""
    gate = world.gate()
    lowered(world, gate, 2)
    for _ in range(3):
        backlog(world, gate, 26)
        assert calls_of(gate) == 3
        refuse(world, gate)
        assert calls_of(gate) == 2
    backlog(world, gate, 26)
    assert calls_of(gate) == 3
    backlog(world, gate, 10)
    # Held at the limit: the next refusal is an isolated one.
    refuse(world, gate)
    assert calls_of(gate) == 3


def test_an_isolated_refusal_at_a_share_keeps_it(world: World) -> None:
    """A refusal long after the last one, within the dwell, waits and begins the dwell anew; the share stays."""
    gate = world.gate()
    lowered(world, gate, 2)
    backlog(world, gate, 20)
    refuse(world, gate)
    assert calls_of(gate) == 2
    backlog(world, gate, 22)
    assert calls_of(gate) == 2


def test_a_long_wait_does_not_lower_the_rate_for_hours(world: World) -> None:
    """A Retry-After of hours is waited for; the share it leaves grows back within ten minutes."""
    gate = world.gate()
    for _ in range(2):
        world.call(gate, Throttled(retry_after_seconds=7200.0))
        world.clock.advance(7200)
    assert calls_of(gate) == 2
    world.clock.advance(606)
    assert calls_of(gate) == 3


@pytest.mark.parametrize("to", [2, 1])
def test_the_limit_is_used_again_soon(world: World, to: int) -> None:
    """At 3 calls a second all is used again 30 s after the last refusal, whatever the share was."""
    gate = world.gate()
    lowered(world, gate, to)
    backlog(world, gate, 0.1)
    growth = gate.status().shares[Lane.LIVE].growth
    assert growth[-1][1] == 3
    assert (growth[-1][0] - gate.status().now).total_seconds() <= 29.1
    backlog(world, gate, 29.1)
    assert calls_of(gate) == 3


def test_spacing_is_the_share_s(world: World) -> None:
    """So many calls in a window and the margin, evenly, whatever the share."""
    gate = world.gate()
    for calls in (3, 2, 1):
        status = gate.status()
        assert status.shares[Lane.LIVE].calls == calls
        assert status.spacing_seconds == pytest.approx((1 + status.margin_seconds) / calls, abs=2e-6)
        first, second = world.call(gate), world.call(gate)
        assert second.at - first.at == pytest.approx(status.spacing_seconds, abs=0.02)
        lowered(world, gate, calls - 1) if calls > 1 else None
    # One call is the share now. Two are tried after the dwell, with a gap in which a call of another shows.
    backlog(world, gate, 26)
    status = gate.status()
    assert status.shares[Lane.LIVE].calls == 2
    assert status.spacing_seconds == pytest.approx((1.1 + status.margin_seconds) / 2, abs=2e-6)


@settings(max_examples=40, deadline=None, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck), phases=[Phase.generate])  # fmt: skip
@given(data=st.data(), limit=st.sampled_from([0.5, 1, 2, 3, 10, 100]))
def test_whatever_is_refused_the_share_stays_within_bounds(
    redis_url: str, data: st.DataObject, limit: float
) -> None:
    """In any order of answers and pauses: one call to what the lane may use, whole again after dwell and growth."""
    world = World(redis_url)
    world.redis.flushall()
    gate = world.gate(GateSettings(calls_per_second=limit, calls_per_day=10_000_000))
    for step in data.draw(
        st.lists(st.sampled_from(["call", "call", "refuse", "silent", "wait"]), max_size=20)
    ):
        match step:
            case "call":
                world.call(gate)
            case "wait":
                world.clock.advance(data.draw(st.sampled_from([0.1, 3, 10, 31, 36, 100])))
            case _:
                slot, before = world.go(gate), calls_of(gate)
                refused = REFUSED if step == "refuse" else Throttled()
                gate.report(slot, "event", refused, written_late_seconds=0.0)
                assert calls_of(gate) <= before
        for lane in Lane:
            share = gate.status().shares[lane]
            assert 1 <= share.calls <= share.most
            growth = [calls for _, calls in share.growth]
            assert growth == sorted({calls for calls in growth if calls > share.calls})
            assert (growth or [share.calls])[-1] == share.most
        held = gate.peek()
        world.clock.advance(held.retry_in_seconds if isinstance(held, Held) else 0)
    world.clock.advance(600 + 100)
    assert all(share.calls == share.most for share in gate.status().shares.values())
