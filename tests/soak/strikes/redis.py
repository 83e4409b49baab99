"""Strikes on Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gong_views import ViewQueue
from gong_worker.operations.enqueue_counts import mirror_enqueue_counts
from tests.soak.strikes.kind import strike
from tests.support.servers import Valkey, wait_until

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


@strike("parts", 1, 1.0, 5.0)
def promote_stale_replica(world: World, it: Strike) -> None:
    """The primary dies and a replica that had been cut off from it takes its address.

    What was enqueued in between is gone from the queue, and its producers send it again, as the relay of an outbox
    does with `--since`. What went out in between comes again. A worker that compares the counts with the ledger's
    tells of the loss; that is given its time here, for enqueues as many as were lost would hide it.
    """
    primary = world.line.valkey
    replica = Valkey(world.line.folder / f"replica-{it.at}").start()
    replicate(primary, replica)
    with primary.client() as client, replica.client() as follower, world.producers.held:
        # None under way, and every one confirmed so far handed on: from here on each may be missed, and none before.
        client.set("soak.handed-on", it.at, px=1000)
        assert client.wait(1, 30_000) == 1, "the replica does not follow"
        follower.replicaof("NO", "ONE")
        since = len(world.producers.confirmed)
    world.wait(it.seconds)
    with world.producers.held:
        mirror_enqueue_counts(world.line.redis, world.line.ledger)
        missed = world.producers.confirmed[since:]
        world.at_risk |= {enqueued.message_id for enqueued in missed}
        told = told_of_loss(world)
        primary.kill()
        replica.take_address(primary.port)
        primary.become(replica)
        if missed:
            wait_until(lambda: told_of_loss(world) > told, "a worker to tell of the loss", 60)
    with ViewQueue(primary.url) as queue:
        for enqueued in missed:
            world.producers.put(
                lambda event, lane: queue.enqueue(event, lane).message_id, enqueued.event, enqueued.lane
            )


def told_of_loss(world: World) -> int:
    """How often workers have said that Redis counts less than before."""
    return sum(worker.log.count("action=enqueue_counts_behind") for worker in world.line.workers)


def replicate(primary: Valkey, replica: Valkey) -> None:
    """Let one follow the other until it has everything."""
    with replica.client() as client:
        client.replicaof("127.0.0.1", str(primary.port))

        def in_step() -> bool:
            info = client.info("replication")
            return info["master_link_status"] == "up" and not info["master_sync_in_progress"]

        wait_until(in_step, "the replica to be in step", 60)
