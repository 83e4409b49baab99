"""Workers of the release before, which halved a fractional rate, on the same Redis."""

import pytest

from gong_views.names import Lane
from gong_worker.domain.outcomes import Throttled
from gong_worker.gate.scripts import KEYS
from gong_worker.gate.types import LimitOrigin
from tests.integration.gate.support import World

STATE, LIMITS = KEYS[:2]
NEW_LIMITS = ("reserve_per_second", "bulk_reserve_per_second")


def as_before(world: World, **state: float) -> None:
    """What a worker of the release before leaves in Redis."""
    gate = world.gate()
    world.call(gate)
    for name in NEW_LIMITS:
        world.redis.hdel(LIMITS, name, f"env.{name}")
    world.redis.hset(
        LIMITS, mapping={"adaptive_increase": "0.03", "adaptive_decrease": "0.5", "adaptive_floor": "0.25"}
    )
    if state:
        world.redis.hset(STATE, mapping=state)


@pytest.mark.parametrize(
    ("rate", "ago", "calls", "whole"), [(2.9, 0, 2, 25), (0.25, 0, 1, 30), (1.5, 20, 2, 5), (1.5, 60, 3, 0)]
)
def test_its_rate_is_read_in_whole_calls(
    world: World, rate: float, ago: float, calls: int, whole: float
) -> None:
    """A rate that was lowered, as far as it has grown since, is a share of whole calls, and whole again as any."""
    now = world.clock.redis_now()
    as_before(world, rate=rate, rate_at=now - ago * 1e6, decreased_at=now - ago * 1e6)
    gate = world.gate()
    assert gate.status().shares[Lane.LIVE].calls == calls
    world.call(gate)
    assert world.redis.hget(STATE, "rate") is None
    assert gate.status().shares[Lane.LIVE].calls == calls
    world.clock.advance(whole)
    assert gate.status().shares[Lane.LIVE].calls == 3


def test_a_rate_it_lowers_meanwhile_lowers_the_share(world: World) -> None:
    """While such a worker runs beside ours, its halved rate lowers our share, and never raises it."""
    gate = world.gate()
    world.call(gate)
    for rate, calls in ((2.5, 2), (1.5, 1), (2.9, 1)):
        now = world.clock.redis_now()
        world.redis.hset(STATE, mapping={"rate": rate, "rate_at": now, "decreased_at": now})
        world.call(gate)
        assert gate.status().shares[Lane.LIVE].calls == calls
    world.call(gate, Throttled(retry_after_seconds=1.0))
    world.clock.advance(1.0)
    world.call(gate)


def test_its_limits_have_no_reserves(world: World) -> None:
    """Where only such workers have started, the defaults count; what an operator sets can be unset."""
    as_before(world)
    gate = world.gate()
    found = {one.name: (one.value, one.origin) for one in gate.status().limits}
    assert found["reserve_per_second"] == (0, LimitOrigin.ENVIRONMENT)
    assert found["bulk_reserve_per_second"] == (1, LimitOrigin.ENVIRONMENT)
    gate.set_limits(reserve_per_second=1, bulk_reserve_per_second=2)
    assert [gate.status().shares[lane].most for lane in (Lane.LIVE, Lane.BULK)] == [2, 1]
    assert sorted(gate.unset_limits()) == sorted(NEW_LIMITS)
    assert [gate.status().shares[lane].most for lane in (Lane.LIVE, Lane.BULK)] == [3, 2]
