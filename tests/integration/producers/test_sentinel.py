"""Producers behind Redis Sentinel: each connection goes to the primary, before and after a failover."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gong_views.connection import FOLLOW_SECONDS
from gong_views.errors import QueueUnavailable, SettingsError
from gong_views.message import parse
from gong_views.queue import ViewQueue
from gong_views.redis_url import location, redis_options
from tests.integration.producers.ways import WAYS, Way
from tests.support.sentinel import Watched, watched
from tests.support.servers import Valkey, free_port, wait_until
from tests.support.views import view

Make = Callable[..., Way]


@pytest.fixture(scope="module")
def servers() -> Iterator[Watched]:
    with watched() as found:
        yield found


@pytest.fixture(params=WAYS, ids=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes queues that are closed at the end."""
    made: list[Way] = []

    def maker(url: str, **options: object) -> Way:
        made.append(request.param(url, **{"timeout_seconds": 2, **options}))
        return made[-1]

    yield maker
    for way in made:
        way.close()


def queued(server: Valkey) -> list[str]:
    with server.client() as client:
        raws = client.lrange("gong-views.live", 0, -1)
        return [parse(raw).event["eventId"] for raw in reversed(raws)]  # type: ignore[arg-type]


def test_a_planned_failover_costs_no_enqueue(servers: Watched) -> None:
    """The old primary is not written to any more, though it is demoted only seconds later: no error, no event lost."""
    ways = [make(servers.url, timeout_seconds=2) for make in WAYS]
    before = servers.primary()
    for number, way in enumerate(ways):
        way.enqueue(view(number))
    with before.client() as client:
        assert client.wait(1, 5000) == 1
    with servers.sentinel() as client:
        client.execute_command("SENTINEL", "FAILOVER", "gong")
    wait_until(lambda: servers.primary() is not before, "the failover")
    after = servers.primary()
    threading.Event().wait(FOLLOW_SECONDS)
    for number, way in enumerate(ways):
        way.enqueue(view(10 + number))
        way.close()
    assert queued(after) == ["view-0", "view-1", "view-10", "view-11"]


def test_a_dead_primary_is_told_spooled_and_replaced(make: Make, tmp_path: Path) -> None:
    """While there is no primary the error says so and events are spooled; afterwards both are on the new primary."""
    with watched() as servers:
        way = make(servers.url, on_unavailable="spool", spool_path=tmp_path / "spool.db")
        way.enqueue(view(1))
        dead = servers.primary()
        with dead.client() as client:
            assert client.wait(1, 5000) == 1
        dead.kill()
        with ViewQueue(servers.url) as raising, pytest.raises(QueueUnavailable) as caught:
            raising.enqueue(view(9))
        assert caught.value.reason in ("refused", "no_primary")
        assert "gong of the Sentinels 127.0.0.1" in str(caught.value)
        spooled = [f"view-{n}" for n in range(2, 5) if way.enqueue(view(n)).spooled]
        assert spooled == ["view-2", "view-3", "view-4"]
        wait_until(lambda: not way.enqueue(view(5)).spooled, "the new primary to take events")
        way.drain_spool()
        found = queued(next(server for server in servers.servers if server is not dead))
        assert found[0] == "view-1" and set(found) == {f"view-{n}" for n in range(1, 6)}


def test_no_sentinel_and_an_unknown_service(make: Make, servers: Watched) -> None:
    """Neither hangs, and the error names what REDIS_URL may have wrong."""
    for url in (
        f"redis+sentinel://:hunter2@127.0.0.1:{free_port()}/gong",
        servers.url.replace("/gong/", "/other/"),
    ):
        with pytest.raises(QueueUnavailable, match="service or the Sentinels") as caught:
            make(url).enqueue(view())
        assert caught.value.reason == "no_primary" and "hunter2" not in str(caught.value)


def test_what_a_url_says() -> None:
    """Hosts with default ports, user, password, database, TLS and the Sentinels' own password are read."""
    read = redis_options(
        "rediss+sentinel://shop:p%23w@one,two:26380,[::1]:1/my%20master/3?sentinel_password=s%2Fp&ssl_cert_reqs=none"
    )
    sentinels = read["sentinels"]
    assert (
        sentinels.addresses == (("one", 26379), ("two", 26380), ("::1", 1))
        and sentinels.service == "my master"
    )
    assert dict(sentinels.options) == {"ssl": True, "ssl_cert_reqs": "none", "password": "s/p"}
    assert {name: read[name] for name in ("username", "password", "db", "ssl_cert_reqs")} == {
        "username": "shop", "password": "p#w", "db": 3, "ssl_cert_reqs": "none",
    }  # fmt: skip
    assert "SSL" in read["connection_class"].__name__ and "s/p" not in repr(sentinels)
    assert location(read) == "my master of the Sentinels one:26379, two:26380, ::1:1"
    for wrong in ("one", "one/", "one:x/gong", "one,,two/gong", "one/gong/x", ":hunter2#@one/gong"):
        with pytest.raises(SettingsError, match="REDIS_URL: ") as caught:
            ViewQueue(f"redis+sentinel://{wrong}")
        assert "hunter2" not in str(caught.value)
