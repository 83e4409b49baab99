"""Limits in force: from the environment of the last starter, or set live."""

from dataclasses import replace

import pytest

from gong_views.names import Lane
from gong_worker.domain.holds import HoldReason
from gong_worker.gate import Gate, GateSettings, Held
from gong_worker.gate.types import LimitOrigin
from tests.integration.gate.support import FAR, World


def limits(gate: Gate) -> tuple[float, int, int]:
    status = gate.status()
    return status.per_second_limit, status.per_day_limit, status.per_day_cap


def shares(gate: Gate) -> tuple[int, int]:
    """Calls in a second that live events may use, and bulk ones."""
    found = gate.status().shares
    return found[Lane.LIVE].most, found[Lane.BULK].most


def test_restart_of_one_worker_is_enough(world: World) -> None:
    """A worker started with other settings changes them for all, without stopping the others."""
    running = world.gate()
    world.call(running)
    world.call(world.gate(GateSettings(calls_per_second=10, calls_per_day=30_000), name="restarted"))
    assert limits(running) == (10.0, 30_000, 29_500)
    first, second = world.slot(running), world.slot(running)
    assert second.at - first.at < 0.11
    assert {(one.origin, one.by) for one in running.status().limits} == {
        (LimitOrigin.ENVIRONMENT, "restarted")
    }


def test_live_limits_outlive_a_restart(world: World) -> None:
    """What an operator set stands, whatever environments workers start with, until unset; then the latest counts."""
    world.call(world.gate())
    world.gate().set_limits(calls_per_second=5, day_reserve=1000, by="ann")
    restarted = world.gate()
    world.call(restarted)
    assert limits(restarted) == (5.0, 10_000, 9_000)
    world.gate(GateSettings(calls_per_second=4, calls_per_day=20_000), name="second").register()
    assert limits(restarted) == (5.0, 20_000, 19_000)
    assert [(one.name, one.value, one.origin, one.by) for one in restarted.status().limits] == [
        ("calls_per_second", 5.0, LimitOrigin.OPERATOR, "ann"),
        ("calls_per_day", 20_000.0, LimitOrigin.ENVIRONMENT, "second"),
        ("day_reserve", 1000.0, LimitOrigin.OPERATOR, "ann"),
        ("reserve_per_second", 0.0, LimitOrigin.ENVIRONMENT, "second"),
        ("bulk_reserve_per_second", 1.0, LimitOrigin.ENVIRONMENT, "second"),
    ]
    assert restarted.unset_limits(["calls_per_second", "calls_per_day"]) == ("calls_per_second",)
    assert limits(restarted) == (4.0, 20_000, 19_000)
    assert restarted.unset_limits() == ("day_reserve",)
    assert restarted.unset_limits() == ()
    assert limits(restarted) == (4.0, 20_000, 19_500)


def test_a_worker_that_registers_again_changes_nothing(world: World) -> None:
    """Of two environments the one started last counts, whoever asks for a slot first."""
    one, two = world.gate(GateSettings(calls_per_second=3)), world.gate(GateSettings(calls_per_second=6))
    one.register()
    two.register()
    world.call(one)
    assert limits(two)[0] == 6.0


def test_limits_that_were_set_outlive_a_wipe(world: World) -> None:
    """After a wipe of Redis, what operators had set comes back from the ledger before the first slot."""
    worker = Gate(
        world.redis, GateSettings(), history=lambda _: (), clock=world.clock,
        operator_limits=lambda: {"calls_per_second": 7.0, "reserve_per_second": 2, "bulk_reserve_per_second": 4},
    )  # fmt: skip
    world.call(worker)
    assert limits(worker) == (7.0, 10_000, 9_500)
    assert worker.status().limits[0].origin is LimitOrigin.OPERATOR
    assert shares(worker) == (5, 3)


def test_a_ledger_that_goes_away_in_between_loses_no_limit(world: World) -> None:
    """Until the ledger has told what operators had set, a wiped Redis gives no slot, so none is under other limits."""
    answers: list[dict[str, float] | OSError] = [OSError("ledger"), {"calls_per_second": 1.0}]

    def operator_limits() -> dict[str, float]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    worker = Gate(
        world.redis, GateSettings(), history=lambda _: (), clock=world.clock, operator_limits=operator_limits
    )
    with pytest.raises(OSError, match="ledger"):
        worker.acquire(Lane.LIVE, "event")
    world.call(worker)
    assert limits(worker)[0] == 1.0


def test_what_was_set_since_a_wipe_is_newer(world: World) -> None:
    """An operator sets a limit in a wiped Redis while the ledger is away: what the ledger knew does not undo it."""
    operator = world.gate()
    operator.set_limits(calls_per_second=2.0, by="on call")
    worker = Gate(
        world.redis, GateSettings(), history=lambda _: (), clock=world.clock, name="worker",
        operator_limits=lambda: {"calls_per_second": 1.0, "calls_per_day": 5_000},
    )  # fmt: skip
    world.call(worker)
    assert limits(worker)[:2] == (2.0, 5_000)


def test_two_operators_at_once(world: World) -> None:
    """Limits that make sense one by one and not together: the second is refused, in Redis, where both are known."""
    one, two = world.gate(), world.gate()
    seen = two.status()
    one.set_limits(day_reserve=4_000)
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(ValueError, match="day_reserve is 4000 of 3000"),
    ):
        patch.setattr(two, "status", lambda **_: seen)
        two.set_limits(calls_per_day=3_000)
    assert limits(one) == (3.0, 10_000, 6_000)


def test_a_reserve_that_leaves_nothing_is_named(world: World) -> None:
    """A worker's smaller day under an operator's reserve holds everything: status says why, and what to change."""
    world.call(world.gate())
    world.gate().set_limits(day_reserve=4_000)
    smaller = world.gate(GateSettings(calls_per_day=3_000))
    held = smaller.acquire(Lane.LIVE, "event")
    assert isinstance(held, Held)
    assert held.reason is HoldReason.DAILY_QUOTA
    [hold] = smaller.status().holds
    assert hold.until is None
    assert "day_reserve is 4000 of 3000 calls a day" in hold.note
    smaller.unset_limits(["day_reserve"])
    world.call(smaller)


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
        ({"reserve_per_second": 3}, "reserve_per_second"),
        ({"bulk_reserve_per_second": 3}, "bulk_reserve_per_second"),
        ({"calls_per_second": 10_001}, "calls_per_second"),
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


def test_reserves_follow_the_limit_until_they_are_set(world: World) -> None:
    """Unset, bulk leaves one call of a limit of two and more; set, both stand until unset; one call is always ours."""
    gate = world.gate()
    assert shares(gate) == (3, 2)
    gate.set_limits(calls_per_second=1.5)
    assert shares(gate) == (1, 1)
    gate.set_limits(calls_per_second=2)
    assert shares(gate) == (2, 1)
    gate.set_limits(calls_per_second=10, reserve_per_second=4, bulk_reserve_per_second=2)
    assert shares(gate) == (6, 6)
    gate.set_limits(bulk_reserve_per_second=9)
    assert shares(gate) == (6, 1)
    gate.set_limits(calls_per_second=5)
    assert shares(gate) == (1, 1)
    gate.unset_limits(["reserve_per_second", "bulk_reserve_per_second"])
    assert shares(gate) == (5, 4)
