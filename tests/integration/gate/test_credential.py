"""Laws of the hold for want of a credential, and of refusals that say nothing any more."""

from gong_views.names import Lane
from gong_worker.domain.grants import GrantState
from gong_worker.domain.holds import HoldReason
from gong_worker.domain.outcomes import Delivered, Unauthorized
from gong_worker.gate import Gate, Held, Open, Slot
from tests.integration.gate.support import World


def without(gate: Gate, state: GrantState = GrantState.LOGIN_NEEDED) -> None:
    gate.credential(usable=False, why=state.value, renewed=False)


def refuse(world: World, gate: Gate, key: str, *, superseded: bool = False) -> None:
    slot = world.go(gate, key)
    gate.report(slot, key, Unauthorized(401), written_late_seconds=0.0, superseded=superseded)


def test_without_a_credential_there_is_no_probe(world: World) -> None:
    """It holds with an open end for whoever has the same one, however long it takes; the note says what to run."""
    gate, other = world.gate(), world.gate(credential="two")
    without(gate)
    for _ in range(3):
        answer = gate.acquire(Lane.LIVE, "event")
        assert isinstance(answer, Held)
        assert (answer.reason, answer.until) == (HoldReason.UNAUTHORIZED, None)
        world.clock.advance(86_400)
    assert isinstance(other.acquire(Lane.LIVE, "event"), Slot)
    status = gate.status()
    assert status.note is not None and "gong-views oauth login" in status.note
    (hold,) = status.holds
    assert (hold.reason, hold.until, hold.mine, hold.note) == (
        HoldReason.UNAUTHORIZED,
        None,
        True,
        status.note,
    )


def test_told_again_it_began_when_it_began(world: World) -> None:
    """Every process tells it again and again: since when is not changed by that, why is."""
    gate = world.gate()
    without(gate, GrantState.MISSING)
    began = gate.status().holds[0].since
    world.clock.advance(60)
    without(gate, GrantState.RENEWAL_NEEDED)
    (hold,) = gate.status().holds
    assert hold.since == began
    assert hold.note is not None and "oauth status" in hold.note


def test_it_ends_with_a_credential_or_a_release(world: World) -> None:
    """Whoever has a usable one ends it, an operator too; then calls are made at once."""
    gate = world.gate()
    without(gate)
    gate.credential(usable=True, why=GrantState.USABLE.value, renewed=False)
    assert gate.peek() == Open()
    without(gate)
    assert gate.release("ann") == (HoldReason.UNAUTHORIZED,)
    assert gate.peek() == Open()


def test_a_new_credential_ends_what_the_old_one_caused(world: World) -> None:
    """A hold after refusals with the token before ends when it is renewed, and not because somebody has one."""
    gate = world.gate()
    refuse(world, gate, "event")
    assert isinstance(gate.peek(), Held)
    gate.credential(usable=True, why=GrantState.USABLE.value, renewed=False)
    assert isinstance(gate.peek(), Held)
    gate.credential(usable=True, why=GrantState.USABLE.value, renewed=True)
    assert gate.peek() == Open()


def test_both_holds_are_told_as_one(world: World) -> None:
    """A credential that was refused and then is gone is one hold; the new one ends both."""
    gate = world.gate()
    refuse(world, gate, "event")
    without(gate)
    assert [hold.reason for hold in gate.status().holds] == [HoldReason.UNAUTHORIZED]
    gate.credential(usable=True, why=GrantState.USABLE.value, renewed=False)
    assert gate.status().holds == ()


def test_a_superseded_refusal_says_nothing(world: World) -> None:
    """A 401 to a token that nobody uses any more neither holds nor counts against the event, also of a probe."""
    gate = world.gate()
    for _ in range(3):
        refuse(world, gate, "event", superseded=True)
    assert gate.peek() == Open()
    refuse(world, gate, "event")
    answer = gate.peek()
    assert isinstance(answer, Held)
    world.clock.advance(answer.retry_in_seconds)
    refuse(world, gate, "other", superseded=True)
    probe = world.go(gate, "third")
    assert probe.probe, "the next one may probe at once"
    gate.report(probe, "third", Delivered(200), written_late_seconds=0.0)
    assert gate.peek() == Open()
