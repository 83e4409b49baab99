"""The same scripts on Redis itself, where one is installed."""

import shutil

import pytest

from gong_worker.domain.outcomes import ServerError, Throttled
from gong_worker.gate import Held
from tests.integration.gate.support import World
from tests.support import servers

REDIS = shutil.which("redis-server")


@pytest.mark.skipif(REDIS is None, reason="no redis-server on PATH")
def test_on_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slots, day, Retry-After, breaker, release and status work on Redis as they do on Valkey."""
    monkeypatch.setattr(servers, "get_binary_path", lambda: REDIS)
    with servers.valkey(appendfsync="no") as server:
        world = World(server.url)
        gate = world.gate()
        for number in range(20):
            world.call(gate, key=f"event {number}")
        world.call(gate, Throttled(retry_after_seconds=2.0))
        assert isinstance(gate.peek(), Held)
        world.clock.advance(2.0)
        for number in range(5):
            world.call(gate, ServerError(500), key=f"event {number}")
        gate.release("ann")
        gate.hold("stop", "ann")
        status = gate.status()
        assert (status.state, status.last_24h) == ("held", 26)
        world.redis.flushall()
        world.call(gate)
