"""Holds for a refused credential, a wrong base URL, a run of rejections, and the operator."""

import json

import pytest

from gong_views.names import PART_HOLDS_KEY, Lane
from gong_worker.domain.holds import HoldReason
from gong_worker.domain.outcomes import (
    Delivered,
    Misconfigured,
    Outcome,
    Rejected,
    ServerError,
    Throttled,
    Unauthorized,
)
from gong_worker.gate import Gate, GateSettings, Held, Open
from tests.integration.gate.support import World

REFUSED = [
    (Unauthorized(401), HoldReason.UNAUTHORIZED, {"credential": "two"}, {"target": "other"}),
    (Misconfigured(404), HoldReason.MISCONFIGURED, {"target": "other"}, {"credential": "two"}),
]


def reason(gate: Gate) -> HoldReason | None:
    answer = gate.peek()
    return answer.reason if isinstance(answer, Held) else None


@pytest.mark.parametrize(("outcome", "why", "fresh", "same"), REFUSED)
class TestRefused:
    """401/403 bind a credential, 3xx/404/405 a base URL."""

    def test_binds_its_fingerprint_only(
        self, world: World, outcome: Outcome, why: HoldReason, fresh: dict[str, str], same: dict[str, str]
    ) -> None:
        """All with the same fingerprint are held; a gate with a new one is free; the old stays held."""
        gate = world.gate()
        world.call(gate, outcome)
        assert reason(gate) is why
        assert reason(world.gate(**same)) is why
        mended = world.gate(**fresh)
        assert reason(mended) is None
        world.call(mended)
        assert reason(gate) is why
        assert [(hold.reason, hold.mine) for hold in mended.status().holds] == [(why, False)]

    def test_probed_at_growing_intervals(
        self, world: World, outcome: Outcome, why: HoldReason, fresh: dict[str, str], same: dict[str, str]
    ) -> None:
        """One event tries after 5, 10, 20 … s up to ten minutes; the first that works opens the gate."""
        gate = world.gate()
        world.call(gate, outcome)
        waits = []
        for number in range(9):
            held = gate.peek()
            assert isinstance(held, Held)
            waits.append(round(held.retry_in_seconds))
            world.clock.advance(held.retry_in_seconds)
            slot = world.go(gate, f"probe {number}")
            assert slot.probe
            assert isinstance(gate.acquire(Lane.LIVE, "event"), Held)
            gate.report(slot, f"probe {number}", outcome, written_late_seconds=0.0)
        assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600]
        world.clock.advance(600)
        world.call(gate, Delivered(200))
        assert reason(gate) is None

    def test_a_probe_that_proves_nothing_waits_too(
        self, world: World, outcome: Outcome, why: HoldReason, fresh: dict[str, str], same: dict[str, str]
    ) -> None:
        """A probe answered by a 500 leaves the hold on and is not repeated at once."""
        gate = world.gate()
        world.call(gate, outcome)
        world.clock.advance(5)
        world.call(gate, ServerError(500), key="probe")
        held = gate.peek()
        assert isinstance(held, Held)
        assert (held.reason, round(held.retry_in_seconds)) == (why, 10)

    def test_late_answers_change_nothing(
        self, world: World, outcome: Outcome, why: HoldReason, fresh: dict[str, str], same: dict[str, str]
    ) -> None:
        """Calls that were out when the hold came neither lengthen it nor lift it."""
        gate = world.gate()
        old = [world.go(gate) for _ in range(3)]
        world.call(gate, outcome)
        before = gate.peek()
        gate.report(old[0], "a", outcome, written_late_seconds=0.0)
        gate.report(old[1], "b", Delivered(200), written_late_seconds=0.0)
        assert isinstance(before, Held)
        assert gate.peek() == Held(why, before.until, before.retry_in_seconds)


def test_run_of_rejections(world: World) -> None:
    """A run of different events refused, no success between, holds until an operator releases it."""
    gate = world.gate(GateSettings(rejections_limit=10))
    for number in range(9):
        world.call(gate, Rejected(400), key=f"event {number}")
    world.call(gate, Rejected(400), key="event 8")
    world.call(gate)
    for number in range(9):
        world.call(gate, Rejected(400), key=f"event {number}")
    assert gate.status().rejections_in_a_row == 9
    assert reason(gate) is None
    world.call(gate, Rejected(422), key="one more")
    held = gate.peek()
    assert held == Held(HoldReason.REJECTIONS, None, 0.5)
    world.clock.advance(7 * 86_400)
    assert reason(gate) is HoldReason.REJECTIONS
    assert gate.release("ann") == (HoldReason.REJECTIONS,)
    world.call(gate)


def test_an_end_that_has_passed_keeps_no_refusals_from_holding(world: World) -> None:
    """An operator's hold of a part stands when refusals come; once its end has passed they hold the part anew."""
    gate = world.gate(GateSettings(rejections_limit=3))
    entry = {"reason": "operator", "note": "lunch", "by": "ann", "since": 1}
    for until, stands in (
        (None, "operator"),
        (world.clock.now.timestamp() + 60, "operator"),
        (7, "rejections"),
    ):
        world.redis.hset(PART_HOLDS_KEY, "reporting_system:crm", json.dumps(entry | {"until": until}))
        for number in range(3):
            world.call(gate, Rejected(400), key=f"crm\x00event {until} {number}")
        [held] = world.redis.hvals(PART_HOLDS_KEY)
        assert json.loads(held)["reason"] == stands
    assert "until" not in json.loads(held) and reason(gate) is None


class TestOperator:
    """Hold and release by hand."""

    def test_hold_until_released(self, world: World) -> None:
        """An operator's hold stops slots already given too, for as long as it takes, and says why."""
        gate = world.gate()
        slot = world.slot(gate)
        gate.hold("maintenance at Gong", "ann")
        world.clock.until(slot.at)
        assert gate.confirm(slot) == Held(HoldReason.OPERATOR, None, 0.5)
        world.clock.advance(3 * 86_400)
        status = gate.status()
        assert (status.state, status.reason, status.until) == ("held", HoldReason.OPERATOR, None)
        assert status.note == "maintenance at Gong (by ann)"
        assert gate.release("bob") == (HoldReason.OPERATOR,)
        assert world.slot(gate).at <= world.clock.monotonic() + 1e-4

    def test_hold_for_some_time(self, world: World) -> None:
        """A hold with an end ends by itself."""
        gate = world.gate()
        gate.hold("lunch", "ann", for_seconds=600)
        held = gate.peek()
        assert isinstance(held, Held)
        assert held.retry_in_seconds == pytest.approx(600)
        world.clock.advance(600)
        assert reason(gate) is None

    def test_release_ends_what_is_ours_to_end(self, world: World) -> None:
        """Release lifts breaker, unauthorized, misconfigured and rejections, but not what Gong asked for."""
        gate = world.gate()
        old = [world.go(gate) for _ in range(2)]
        for number in range(5):
            world.call(gate, ServerError(500), key=f"event {number}")
        gate.report(old[0], "a", Throttled(retry_after_seconds=30.0), written_late_seconds=0.0)
        assert gate.release("ann") == (HoldReason.BREAKER,)
        assert reason(gate) is HoldReason.RETRY_AFTER
        world.clock.advance(30)
        for outcome, why in ((Unauthorized(401), HoldReason.UNAUTHORIZED), (Misconfigured(302), None)):
            world.call(gate, outcome)
            assert gate.release("ann") == (why or HoldReason.MISCONFIGURED,)
            assert gate.peek() == Open()

    def test_precedence(self, world: World) -> None:
        """What is told is the operator's hold, then the one that lasts longest; all of them are listed."""
        gate = world.gate()
        one, two = world.go(gate), world.go(gate)
        gate.report(one, "a", Throttled(retry_after_seconds=60.0), written_late_seconds=0.0)
        gate.report(two, "b", Unauthorized(401), written_late_seconds=0.0)
        assert reason(gate) is HoldReason.RETRY_AFTER
        gate.hold("stop", "ann")
        assert reason(gate) is HoldReason.OPERATOR
        assert {hold.reason for hold in gate.status().holds} == {
            HoldReason.OPERATOR, HoldReason.RETRY_AFTER, HoldReason.UNAUTHORIZED,
        }  # fmt: skip

    def test_no_probe_through_a_hard_hold(self, world: World) -> None:
        """A credential due for its probe stays quiet while an operator, or Gong, says wait."""
        gate = world.gate()
        world.call(gate, Unauthorized(401))
        gate.hold("stop", "ann")
        world.clock.advance(60)
        assert isinstance(gate.acquire(Lane.LIVE, "event"), Held)
        gate.release("ann")
        assert not world.slot(gate).probe
