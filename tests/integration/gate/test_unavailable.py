"""When Redis does not decide, nobody calls."""

from collections.abc import Callable
from contextlib import suppress

import pytest
import redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

from gong_views.names import Lane
from gong_worker.domain.outcomes import Delivered
from gong_worker.gate import Gate, GateSettings, GateUnavailable, Lapsed, Slot
from gong_worker.gate.scripts import KEYS
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
    slot = Reservation(0.0, False, 1, 1, 2, "gen", "event")
    for ask in everything(gate, slot):
        with pytest.raises(GateUnavailable) as caught:
            ask()
        assert "secret" not in str(caught.value)


def broken_by_memory(server: Valkey) -> None:
    with server.client() as client:
        client.config_set("maxmemory", 1)


def broken_by_role(server: Valkey) -> None:
    with server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))


def broken_by_freezing(server: Valkey) -> None:
    server.freeze()


@pytest.mark.parametrize("break_it", [broken_by_memory, broken_by_role, broken_by_freezing])
def test_no_slot_and_no_confirm_from_a_broken_redis(break_it: Callable[[Valkey], None]) -> None:
    """Out of memory, read-only, hung: no slot is given and none confirmed."""
    with valkey(appendfsync="no") as server:
        gate = gate_on(server.url)
        slot = gate.acquire(Lane.LIVE, "event")
        assert isinstance(slot, Slot)
        try:
            break_it(server)
            for ask in everything(gate, slot)[:3]:
                # On a slow machine the slot may have lapsed by now, and saying so needs no memory.
                with suppress(GateUnavailable):
                    assert isinstance(ask(), Lapsed)
        finally:
            server.resume()


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
