"""An event that is refused while others succeed is its own fault, and never stalls the others."""

import pytest

from gong_views.names import Lane
from gong_worker.domain.holds import HoldReason
from gong_worker.domain.outcomes import Delivered, Misconfigured, Outcome, ServerError, Unauthorized
from gong_worker.gate import Gate, Held, Open, Slot
from tests.integration.gate.support import World

REFUSALS = [Unauthorized(403), Unauthorized(401), Misconfigured(404), Misconfigured(405), Misconfigured(302)]


def call(world: World, gate: Gate, outcome: Outcome, key: str) -> bool:
    """One call; True when the gate took its refusal for the event's own fault."""
    slot = world.go(gate, key)
    return gate.report(slot, key, outcome, written_late_seconds=0.0)


def held(gate: Gate) -> Held:
    answer = gate.peek()
    assert isinstance(answer, Held)
    return answer


@pytest.mark.parametrize("refusal", REFUSALS)
def test_alone_while_others_succeed(world: World, refusal: Outcome) -> None:
    """Refused before and after another event's success, an event is at fault itself; the gate stays open."""
    gate = world.gate()
    call(world, gate, Delivered(200), "good 1")
    assert call(world, gate, refusal, "poison") is False
    assert gate.peek() == Open()
    for number in range(2, 9):
        call(world, gate, Delivered(200), f"good {number}")
        assert call(world, gate, refusal, "poison") is True
        assert gate.peek() == Open()


def test_nobody_has_succeeded_yet(world: World) -> None:
    """The first refusal of a credential that never worked holds, and says nothing against the event."""
    gate = world.gate()
    assert call(world, gate, Unauthorized(403), "first") is False
    assert held(gate).reason is HoldReason.UNAUTHORIZED


def test_all_refused(world: World) -> None:
    """When every event is refused, after some that succeeded, the gate is held and no event is at fault."""
    gate = world.gate()
    for number in range(5):
        call(world, gate, Delivered(200), f"good {number}")
    out = [(world.go(gate, f"event {number}"), f"event {number}") for number in range(4)]
    for slot, key in out:
        assert gate.report(slot, key, Unauthorized(401), written_late_seconds=0.0) is False
    for number in range(20):
        world.clock.advance(held(gate).retry_in_seconds)
        assert call(world, gate, Unauthorized(401), f"event {number % 4}") is False
        assert held(gate).reason is HoldReason.UNAUTHORIZED


def test_the_last_event_alone(world: World) -> None:
    """With no other event to compare with, a repeated refusal holds: it may be the credential."""
    gate = world.gate()
    call(world, gate, Delivered(200), "good")
    for _ in range(2):
        assert call(world, gate, Unauthorized(403), "last") is False
    assert gate.status().reason is HoldReason.UNAUTHORIZED
    answer = gate.acquire(Lane.LIVE, "last")
    assert isinstance(answer, Held)
    assert answer.gives_way


def test_one_event_does_not_hold_the_next(world: World) -> None:
    """A hold that rests on one event alone lets any other probe at once, and ends with its success."""
    gate = world.gate()
    call(world, gate, Delivered(200), "good")
    for _ in range(2):
        call(world, gate, Unauthorized(403), "poison")
    assert gate.peek() == Open()
    before = world.clock.monotonic()
    assert call(world, gate, Delivered(200), "new") is False
    assert world.clock.monotonic() - before < 1.1
    assert gate.status().reason is None
    assert call(world, gate, Unauthorized(403), "poison") is True
    assert gate.status().reason is None


def test_at_fault_for_good(world: World) -> None:
    """Once shown to be at fault itself an event spends its attempts also when no other succeeds in between."""
    gate = world.gate()
    call(world, gate, Unauthorized(403), "poison")
    world.clock.advance(held(gate).retry_in_seconds)
    call(world, gate, Delivered(200), "good")
    for _ in range(8):
        assert call(world, gate, Unauthorized(403), "poison") is True
        assert gate.status().reason is None


def test_poison_between_successes_never_holds_again(world: World) -> None:
    """Ten poison events among good ones: once each has been refused before a success, none holds the others."""
    gate = world.gate()
    call(world, gate, Delivered(200), "good")
    for number in range(10):
        call(world, gate, Unauthorized(403), f"poison {number}")
        call(world, gate, Delivered(200), f"good {number}")
    for number in range(10):
        assert call(world, gate, Unauthorized(403), f"poison {number}") is True
    assert gate.peek() == Open()


def test_success_elsewhere_proves_nothing(world: World) -> None:
    """Successes with another credential or another address do not make a refusal the event's own fault."""
    gate, other = world.gate(), world.gate(credential="two")
    call(world, gate, Unauthorized(403), "event")
    for _ in range(3):
        call(world, other, Delivered(200), "good")
        world.clock.advance(held(gate).retry_in_seconds + 5)
        assert call(world, gate, Unauthorized(403), "event") is False


class TestProbes:
    """Who may probe a held gate."""

    def test_never_the_same_event_twice_running(self, world: World) -> None:
        """The event that put the hold on, or probed last, gives way to any other, in whichever lane."""
        gate = world.gate()
        call(world, gate, Unauthorized(403), "poison")
        for key, lane in (("second", Lane.BULK), ("third", Lane.LIVE), ("poison", Lane.LIVE)):
            last = gate.status().probe
            assert last is not None
            world.clock.advance(held(gate).retry_in_seconds)
            answer = gate.acquire(Lane.LIVE, last.event)
            assert isinstance(answer, Held)
            assert answer.gives_way
            assert 0 < answer.retry_in_seconds <= 5
            slot = world.go(gate, key, lane)
            assert slot.probe
            gate.report(slot, key, Unauthorized(403), written_late_seconds=0.0)

    def test_alone_it_probes_all_the_same(self, world: World) -> None:
        """When no other has come within the time it was told to give way, the same event probes again."""
        gate = world.gate()
        call(world, gate, Unauthorized(403), "only")
        world.clock.advance(held(gate).retry_in_seconds)
        answer = gate.acquire(Lane.LIVE, "only")
        assert isinstance(answer, Held)
        world.clock.advance(answer.retry_in_seconds)
        slot = gate.acquire(Lane.LIVE, "only")
        assert isinstance(slot, Slot)
        assert slot.probe

    def test_the_breakers_probe_too(self, world: World) -> None:
        """The event whose failure opened the circuit breaker gives way to others as well."""
        gate = world.gate()
        for number in range(5):
            call(world, gate, ServerError(500), f"event {number}")
        world.clock.advance(held(gate).retry_in_seconds)
        answer = gate.acquire(Lane.LIVE, "event 4")
        assert isinstance(answer, Held)
        assert answer.gives_way
        assert isinstance(gate.acquire(Lane.LIVE, "event 3"), Slot)

    def test_a_refunded_probe_was_none(self, world: World) -> None:
        """A probe given up before its call does not make its event give way."""
        gate = world.gate()
        call(world, gate, Unauthorized(403), "poison")
        world.clock.advance(held(gate).retry_in_seconds)
        gate.refund(world.slot(gate, "second"))
        assert world.slot(gate, "second").probe

    def test_status_names_the_probe(self, world: World) -> None:
        """`status` tells which event probes or probed last, what it was answered, and whether it is out."""
        gate = world.gate()
        assert gate.status().probe is None
        call(world, gate, Unauthorized(403), "crm\x00poison")
        probe = gate.status().probe
        assert probe is not None
        assert (probe.event, probe.answer, probe.out) == ("crm\x00poison", "unauthorized, HTTP 403", False)
        assert probe.at == world.clock.now
        world.clock.advance(held(gate).retry_in_seconds)
        slot = world.go(gate, "crm\x00" + 1000 * "x")
        probe = gate.status().probe
        assert probe is not None
        assert (probe.event[:6], probe.answer, probe.out) == ("crm\x00xx", None, True)
        assert len(probe.event) <= 300
        gate.report(slot, "crm\x00" + 1000 * "x", Delivered(200), written_late_seconds=0.0)
        assert gate.status().probe is None
