"""When Redis does not decide, nobody calls."""

from collections.abc import Callable

import pytest
import redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

from gong_views.names import Lane
from gong_worker.domain.outcomes import Delivered
from gong_worker.gate import (
    Gate,
    GateSettings,
    GateUnavailable,
    Go,
    Open,
    RedisTrouble,
    Slot,
)  # fmt: skip
from gong_worker.gate.scripts import KEYS, PREFIX
from gong_worker.gate.types import Reservation
from tests.integration.gate.support import World, no_history
from tests.support.servers import Valkey, free_port, valkey


def gate_on(url: str) -> Gate:
    client = redis.Redis.from_url(
        url, socket_timeout=0.3, socket_connect_timeout=0.3, retry=Retry(NoBackoff(), 0)
    )
    return Gate(client, GateSettings(), history=no_history, name="test")


def everything(gate: Gate, slot: Slot) -> list[Callable[[], object]]:
    """Each thing one may ask of the gate."""
    return [
        lambda: gate.acquire(Lane.LIVE, "event"),
        lambda: gate.acquire(Lane.BULK, "event"),
        lambda: gate.confirm(slot),
        lambda: gate.report(slot, "event", Delivered(200), written_late_seconds=0.0),
        lambda: gate.refund(slot),
        gate.peek,
        gate.status,
        lambda: gate.hold("x", "ann"),
        lambda: gate.release("ann"),
        lambda: gate.set_limits(calls_per_second=1),
    ]


def test_nobody_there() -> None:
    """Refused connections: GateUnavailable from every method, and nothing of the URL in the text."""
    gate = gate_on(f"redis://:secret@127.0.0.1:{free_port()}/0")
    slot = Reservation(0.0, False, 1, "token", 1, 2, "gen", "event")
    for ask in everything(gate, slot):
        with pytest.raises(GateUnavailable) as caught:
            ask()
        assert "secret" not in str(caught.value)


def read_only(server: Valkey) -> None:
    with server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))


def without_replicas(server: Valkey) -> None:
    with server.client() as client:
        client.config_set("min-replicas-to-write", 1)


def frozen(server: Valkey) -> None:
    server.freeze()


@pytest.mark.parametrize(
    ("break_it", "trouble", "still_read"),
    [
        (read_only, RedisTrouble.READ_ONLY, True),
        (without_replicas, RedisTrouble.NO_REPLICAS, True),
        (frozen, RedisTrouble.AWAY, False),
    ],
)
def test_a_redis_that_does_not_decide(
    break_it: Callable[[Valkey], None], trouble: RedisTrouble, still_read: bool
) -> None:
    """Read-only, without its replicas, hung: no slot is given and none confirmed, and the error says why.

    What only looks is still answered where it can be.
    """
    with valkey(appendfsync="no") as server:
        gate = gate_on(server.url)
        slot = gate.acquire(Lane.LIVE, "event")
        assert isinstance(slot, Slot)
        try:
            break_it(server)
            for ask in everything(gate, slot)[:3]:
                with pytest.raises(GateUnavailable) as caught:
                    ask()
                assert caught.value.trouble is trouble
            if still_read:
                assert gate.peek() == Open()
                assert gate.status().state == "open"
        finally:
            server.resume()


def test_a_full_redis_drains() -> None:
    """Over its memory limit Redis refuses writes; what takes, paces or ends a call runs all the same."""
    with valkey(appendfsync="no") as server, server.client() as client:
        gate = gate_on(server.url)
        client.config_set("maxmemory", 1)
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            client.set("anything", 1)
        for _ in range(2):
            slot = gate.acquire(Lane.LIVE, "event")
            assert isinstance(slot, Slot)
            assert isinstance(gate.confirm(slot), Go)
            gate.report(slot, "event", Delivered(200), written_late_seconds=0.0)
        gate.refund(slot)
        gate.hold("why", "ann")
        assert gate.status().state == "held"
        gate.release("ann")
        gate.set_limits(calls_per_second=2)
        client.delete(PREFIX + "day")
        assert isinstance(gate.acquire(Lane.BULK, "event"), Slot)


def test_back_after_a_restart() -> None:
    """When Redis is back the same gate goes on, its day kept by the append-only file."""
    with valkey() as server:
        gate = gate_on(server.url)
        slot = gate.acquire(Lane.LIVE, "event")
        assert isinstance(slot, Slot)
        gate.confirm(slot)
        server.kill()
        with pytest.raises(GateUnavailable):
            gate.peek()
        server.start()
        assert gate.status().last_24h == 1
        assert isinstance(gate.acquire(Lane.LIVE, "event"), Slot)


def test_one_hash_tag(world: World) -> None:
    """All keys lie in one slot of a Redis Cluster, and the scripts touch no other."""
    world.call(world.gate())
    assert len({key_slot(key.encode()) for key in KEYS}) == 1
    assert {key.decode() for key in world.redis.scan_iter("*")} <= set(KEYS)
