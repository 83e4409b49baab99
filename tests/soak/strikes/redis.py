"""Strikes on Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.soak.strikes.kind import strike

if TYPE_CHECKING:
    from tests.soak.schedule import Strike
    from tests.soak.world import World


@strike("parts", 3, 0.0, 2.0)
def kill_redis(world: World, it: Strike) -> None:
    """kill -9; its append-only file outlives it."""
    world.line.valkey.kill()
    world.wait(it.seconds)
    world.line.valkey.start()


@strike("parts", 1, 0.5, 7.0)
def freeze_redis(world: World, it: Strike) -> None:
    """SIGSTOP, also for longer than the visibility timeout."""
    world.line.valkey.freeze()
    world.wait(it.seconds)
    world.line.valkey.resume()


@strike("parts", 1, 1.0, 6.0)
def redis_is_full(world: World, it: Strike) -> None:
    """Over its memory limit, and it evicts nothing: whatever needs memory is refused."""
    with world.line.valkey.client() as client:
        client.config_set("maxmemory", "1")
        world.wait(it.seconds)
        client.config_set("maxmemory", "0")
