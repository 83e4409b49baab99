"""The rolling day: capped, exact under lapses, rebuilt from the ledger."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import pytest
import redis

from gong_views.names import Lane
from gong_worker.domain.holds import HoldReason
from gong_worker.domain.outcomes import Ambiguous, Unreachable
from gong_worker.gate import GateSettings, GateUnavailable, Go, Held, Lapsed, Later, Open, scripts
from gong_worker.gate.scripts import PREFIX
from tests.integration.gate.support import World, restore, snapshot

SMALL = GateSettings(calls_per_day=10, day_reserve=4, reserve_ahead_seconds=1000)


def test_reserve_is_left_to_others(world: World) -> None:
    """After cap minus reserve calls the gate is held until the first of them is a day old."""
    gate = world.gate(SMALL)
    first = world.clock.now
    for _ in range(6):
        world.call(gate)
    held = gate.acquire(Lane.LIVE, "event")
    assert isinstance(held, Held)
    assert held.reason is HoldReason.DAILY_QUOTA
    assert held.until is not None
    assert first + timedelta(hours=24) <= held.until <= first + timedelta(hours=24, minutes=7)
    assert held.retry_in_seconds == pytest.approx((held.until - world.clock.now).total_seconds(), abs=0.01)
    assert gate.peek() == held
    world.clock.advance(held.retry_in_seconds)
    assert gate.peek() == Open()
    world.call(gate)


def test_cap_holds_for_slots_already_given(world: World) -> None:
    """Slots reserved beyond the cap are refused at confirm: the cap is never exceeded by waiters."""
    gate = world.gate(SMALL)
    slots = [world.slot(gate) for _ in range(9)]
    answers = []
    for slot in slots:
        world.clock.until(slot.at)
        answers.append(gate.confirm(slot))
    assert sum(isinstance(answer, Go) for answer in answers) == 6
    assert all(isinstance(answer, Held) for answer in answers[6:])


def test_calls_run_out_bucket_by_bucket(world: World) -> None:
    """Calls of different hours come free at different times."""
    gate = world.gate(SMALL)
    for _ in range(6):
        world.call(gate)
        world.clock.advance(3600)
    for _ in range(3):
        held = gate.peek()
        assert isinstance(held, Held)
        world.clock.advance(held.retry_in_seconds)
        world.call(gate)
    assert isinstance(gate.peek(), Held)
    world.clock.advance(26 * 3600)
    assert gate.status().last_24h == 0


def test_only_calls_count(world: World) -> None:
    """A request that was never sent is taken off the day; one that may have been sent stays."""
    gate = world.gate()
    world.call(gate, Unreachable("refused"))
    assert gate.status().last_24h == 0
    world.call(gate, Ambiguous("reset"))
    assert gate.status().last_24h == 1


def test_confirmed_twice_counts_once(world: World) -> None:
    """A confirm repeated for the same slot (a sleeper that overslept) is one call."""
    gate = world.gate()
    slot = world.go(gate)
    world.clock.advance(0.05)
    assert isinstance(gate.confirm(slot), Go)
    assert slot.at == pytest.approx(world.clock.monotonic(), abs=1e-4)
    assert gate.status().last_24h == 1


class TestRebuild:
    """What happens when Redis has forgotten the day."""

    def test_counted_before_the_first_slot(self, world: World) -> None:
        """A fresh Redis takes the day from the ledger, asked for a whole day."""
        asked: list[datetime] = []

        def history(since: datetime) -> Iterable[tuple[datetime, int]]:
            asked.append(since)
            minute = world.clock.now.replace(second=0, microsecond=0)
            return [(minute - timedelta(hours=23), 3), (minute - timedelta(hours=2), 3)]

        gate = world.gate(SMALL, history=history)
        held = gate.acquire(Lane.LIVE, "event")
        assert isinstance(held, Held)
        assert held.reason is HoldReason.DAILY_QUOTA
        assert asked[0] <= world.clock.now - timedelta(hours=24)
        assert gate.status().last_24h == 6
        world.clock.advance(held.retry_in_seconds)
        for _ in range(3):
            world.call(gate)
        assert isinstance(gate.peek(), Held)

    def test_wipe_voids_slots_and_keeps_the_day(self, world: World) -> None:
        """After FLUSHALL slots given before are void, the day is as it was, the next call waits a window."""
        made: list[datetime] = []
        gate = world.gate(SMALL, history=lambda _: [(at.replace(second=0, microsecond=0), 1) for at in made])
        for _ in range(4):
            world.call(gate)
            made.append(world.clock.now)
        pending = world.slot(gate)
        last = world.clock.monotonic()
        world.redis.flushall()
        world.clock.until(pending.at)
        assert gate.confirm(pending) == Lapsed("void")
        again = world.slot(gate)
        assert again.at >= last + 1.0
        assert gate.status().last_24h == 4
        world.clock.until(again.at)
        assert isinstance(gate.confirm(again), Go)
        assert isinstance(gate.confirm(pending), Lapsed)
        world.call(gate)
        assert isinstance(gate.peek(), Held)

    @pytest.mark.parametrize("key", ["day", "state"])
    def test_half_a_wipe_is_a_wipe(self, world: World, key: str) -> None:
        """Losing either the count or the line (an eviction) starts a new generation."""
        gate = world.gate(SMALL, history=lambda _: [(world.clock.now, 6)])
        world.redis.flushall()
        other = world.gate(SMALL)
        world.call(other)
        world.redis.delete(PREFIX + key)
        held = gate.acquire(Lane.LIVE, "event")
        assert isinstance(held, Held)
        assert held.reason is HoldReason.DAILY_QUOTA

    def test_one_rebuilds_the_others_wait(self, world: World) -> None:
        """While one process counts, the others are told to come back, and get no slot."""
        other = world.gate(SMALL)
        seen: list[object] = []

        def history(_since: datetime) -> Iterable[tuple[datetime, int]]:
            seen.append(other.acquire(Lane.LIVE, "other"))
            return ()

        world.call(world.gate(SMALL, history=history))
        assert isinstance(seen[0], Later)
        world.clock.advance(seen[0].retry_in_seconds)
        world.call(other)

    def test_ledger_away_keeps_the_gate_shut(self, world: World) -> None:
        """When the ledger cannot tell, its error reaches the caller; no slot is given until it can."""
        away = True

        def history(_since: datetime) -> Iterable[tuple[datetime, int]]:
            if away:
                raise OSError("ledger")
            return ()

        gate = world.gate(SMALL, history=history)
        with pytest.raises(OSError, match="ledger"):
            gate.acquire(Lane.LIVE, "event")
        away = False
        world.call(gate)

    def test_a_clock_ahead_is_not_believed(self, world: World) -> None:
        """A ledger whose minutes lie in the future (a worker's clock ahead of Redis's) still counts."""
        gate = world.gate(SMALL, history=lambda _: [(world.clock.now + timedelta(hours=3), 6)])
        held = gate.acquire(Lane.LIVE, "event")
        assert isinstance(held, Held)
        assert held.retry_in_seconds <= 86_400 + 400


class TestComparedWithTheLedger:
    """A replica that is behind, or a Redis that lost its last writes, knows too little of the day."""

    def test_the_larger_holds(self, world: World) -> None:
        """What the ledger has more is added where it has it; a ledger that has less changes nothing."""
        more = {timedelta(hours=20): 3, timedelta(minutes=1): 4}
        told: dict[timedelta, int] = {}

        def history(_since: datetime) -> list[tuple[datetime, int]]:
            return [(world.clock.now - ago, calls) for ago, calls in told.items()]

        gate = world.gate(history=history)
        for _ in range(2):
            world.call(gate)
        told.update(more)
        world.clock.advance(60)
        gate.compare_day()
        assert gate.status().last_24h == 7
        world.clock.advance(60)
        told.clear()
        gate.compare_day()
        assert gate.status().last_24h == 7
        world.clock.advance(4 * 3600 + 360)
        assert gate.status().last_24h == 4

    def test_once_a_minute_for_all(self, world: World) -> None:
        """However many processes ask, the ledger is read once a minute; each reads it once at its start."""
        asked: list[str] = []

        def history_of(name: str) -> Callable[[datetime], list[tuple[datetime, int]]]:
            return lambda _since: asked.append(name) or []  # type: ignore[func-returns-value]

        gates = [world.gate(history=history_of(name)) for name in ("one", "two", "three")]
        for gate in gates:
            world.call(gate)
        assert sorted(asked) == ["one", "three", "two"]
        asked.clear()
        for _ in range(20):
            world.clock.advance(15)
            for gate in gates:
                gate.compare_day()
        assert 4 <= len(asked) <= 6

    def test_a_stale_replica_is_noticed_at_once(self, world: World) -> None:
        """After Redis did not answer, the day is compared before the next slot: the quota is kept to the call."""
        made: list[datetime] = []
        gate = world.gate(SMALL, history=lambda _: [(at.replace(second=0, microsecond=0), 1) for at in made])
        for number in range(6):
            world.call(gate)
            made.append(world.clock.now)
            if number == 1:
                behind = snapshot(world)
        world.redis.connection_pool.disconnect()
        with pytest.MonkeyPatch.context() as patch, pytest.raises(GateUnavailable):
            patch.setattr(scripts, "run", unreachable)
            gate.peek()
        restore(world, behind)
        assert gate.status().last_24h == 2
        held = gate.acquire(Lane.LIVE, "event")
        assert isinstance(held, Held)
        assert held.reason is HoldReason.DAILY_QUOTA

    def test_a_ledger_that_is_away(self, world: World) -> None:
        """Its error reaches who asked, and the comparison is made as soon as it answers."""
        away = True

        def history(_since: datetime) -> list[tuple[datetime, int]]:
            if away:
                raise OSError("ledger")
            return [(world.clock.now, 5)]

        world.call(world.gate())
        gate = world.gate(history=history)
        with pytest.raises(OSError, match="ledger"):
            gate.acquire(Lane.LIVE, "event")
        away = False
        world.slot(gate)
        assert gate.status().last_24h == 5


def unreachable(*_: object) -> None:
    raise redis.ConnectionError
