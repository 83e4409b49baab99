"""Strikes on Gong, as the simulator plays it, and on the gate by an operator."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gong_worker.gate import GateUnavailable
from tests.soak.strikes.kind import strike
from tests.support.servers import wait_until

if TYPE_CHECKING:
    from tests.soak.schedule import Strike
    from tests.soak.world import World

# None lasts so long that a call is still open at the simulator when its frozen worker has been replaced.
MISBEHAVIOURS: tuple[dict[str, Any], ...] = (
    {"kind": "reset_after"},
    {"kind": "lost_reply"},
    {"kind": "half_answer", "fraction": 0.05},
    {"kind": "half_answer", "fraction": 0.9},
    {"kind": "trickle", "seconds": 0.012},
    {"kind": "hang", "seconds": 2.5},
    {"kind": "status", "status": 500, "body": "<html>sorry</html>"},
    {"kind": "gzip"},
    {"kind": "huge_body", "megabytes": 2},
    {"kind": "garbage"},
    {"kind": "wrong_date", "seconds": -86_400},
)
PORTAL = "<html><title>Down for maintenance</title></html>"


def rule(world: World, it: Strike, kind: str, **fields: Any) -> None:
    """A fault rule of the simulator for the length of the strike."""
    number = world.line.gong.fault(kind, **fields)
    world.wait(it.seconds)
    world.line.gong.clear_faults(number)


@strike("parts", 1, 0.2, 3.0)
def kill_gong(world: World, it: Strike) -> None:
    """kill -9; its memory outlives it."""
    world.line.simulator.kill()
    world.wait(it.seconds)
    world.line.simulator.start()


@strike("parts", 1, 0.5, 4.0)
def gong_answers_502(world: World, it: Strike) -> None:
    """Every call, by a proxy in front of it."""
    rule(world, it, "status", status=502, body="<html>bad gateway</html>", times=None)


@strike("parts", 1, 0.5, 1.0)
def gong_says_429(world: World, it: Strike) -> None:
    """Two calls, with a second to wait."""
    rule(world, it, "status", status=429, headers={"Retry-After": "1"}, times=2)


@strike("parts", 1, 0.5, 4.0)
def a_portal_answers(world: World, it: Strike) -> None:
    """200 and a page for every call: nothing of it may count as delivered."""
    rule(world, it, "status", status=200, body=PORTAL, times=None)


@strike("parts", 4, 1.0, 6.0)
def gong_misbehaves(world: World, it: Strike) -> None:
    """One call in three, in one of many ways."""
    chosen = MISBEHAVIOURS[it.choice % len(MISBEHAVIOURS)]
    rule(world, it, **chosen, times=None, probability=0.3)


@strike("parts", 1, 0.5, 3.0)
def operator_holds(world: World, it: Strike) -> None:
    """The gate held by hand, and released."""

    def released() -> bool:
        try:
            world.line.services.gate.release("soak")
        except GateUnavailable:
            return False
        return True

    with suppress(GateUnavailable):
        world.line.services.gate.hold("soak", "soak")
        world.wait(it.seconds)
    wait_until(released, "the release", 60)
