"""Strikes on one worker process."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from tests.soak.strikes.kind import strike
from tests.support.clock_shim import have_compiler
from tests.support.processes import Process

if TYPE_CHECKING:
    from tests.soak.schedule import Strike
    from tests.soak.world import World

CLOCK_STEP_SECONDS = 120


@strike("workers", 4, 0.0, 1.0)
def kill_worker(world: World, it: Strike) -> None:
    """kill -9, and another one in its place."""
    world.replace_worker(it, Process.kill)


@strike("workers", 2, 0.0, 1.0)
def stop_worker(world: World, it: Strike) -> None:
    """SIGTERM, and another one in its place."""
    world.replace_worker(it, lambda worker: worker.terminate(60))


@strike("workers", 2, 0.5, 8.0)
def freeze_worker(world: World, it: Strike) -> None:
    """SIGSTOP, also for longer than the visibility timeout."""
    _, worker = world.victim(it)
    with suppress(ProcessLookupError):  # it could not start
        worker.freeze()
        world.wait(it.seconds)
        worker.resume()


@strike("workers", 2, 1.0, 8.0, possible=have_compiler)
def step_clock(world: World, it: Strike) -> None:
    """Two minutes forward or back for one worker's wall clock, and later the other way."""
    number, _ = world.victim(it)
    world.clocks[number].step(CLOCK_STEP_SECONDS * (1 if it.choice % 2 else -1))
    world.wait(it.seconds)
    world.clocks[number].step(0)
