"""`ViewQueue` on a real server: what is in Redis when `enqueue` returns."""

import os
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from gong_views.aio import AsyncViewQueue
from gong_views.errors import InvalidViewEvent, SettingsError
from gong_views.event import ViewEvent
from gong_views.message import parse
from gong_views.names import ENQUEUE_COUNTS_KEY, Lane
from gong_views.queue import ViewQueue, enqueue_view
from tests.support.servers import wait_until
from tests.support.views import view


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def queue(redis_url: str) -> Iterator[ViewQueue]:
    with ViewQueue(redis_url, timeout_seconds=10) as queue:
        yield queue


def intake(client: redis.Redis) -> dict[bytes, bytes]:
    counts: Any = client.hgetall(ENQUEUE_COUNTS_KEY)
    return dict(counts)


@pytest.mark.parametrize("lane", ["live", "bulk", Lane.LIVE, Lane.BULK])
def test_when_enqueue_returns_redis_has_the_message_and_its_count(
    queue: ViewQueue, client: redis.Redis, lane: Any
) -> None:
    """The message is on the lane's list, and the intake of that lane and UTC day is one more."""
    before = datetime.now(UTC)
    receipt = queue.enqueue(view(1), lane)
    [raw] = client.lrange(Lane(lane).queue, 0, -1)  # type: ignore[misc]
    envelope = parse(raw)
    assert (receipt.event_id, receipt.message_id) == ("view-1", envelope.message_id)
    assert envelope.event == view(1) and envelope.counted and not receipt.spooled
    assert envelope.enqueued_at is not None and before <= envelope.enqueued_at <= datetime.now(UTC)
    assert intake(client) == {f"{Lane(lane).value}|{envelope.enqueued_at:%Y-%m-%d}".encode(): b"1"}


def test_the_push_and_the_count_are_one_transaction(queue: ViewQueue, client: redis.Redis) -> None:
    """No moment exists at which one is there without the other: Redis is told MULTI … EXEC."""
    queue.enqueue(view(1))
    with client.monitor() as monitor:
        queue.enqueue(view(2))
        names = [monitor.next_command()["command"].split(" ")[0] for _ in range(4)]
    assert names == ["MULTI", "LPUSH", "HINCRBY", "EXEC"]


def test_source_and_replay_travel_with_the_message(redis_url: str, client: redis.Redis) -> None:
    """The ledger can tell who sent an event and which dead letter it replays."""
    with ViewQueue(redis_url, source="shop") as queue:
        queue.enqueue(view(1), replay_of=7)
    envelope = parse(client.rpop("gong-views.live"))  # type: ignore[arg-type]
    assert (envelope.source, envelope.replay_of) == ("shop", 7)


def test_a_view_event_and_its_wire_form_are_the_same(queue: ViewQueue, client: redis.Redis) -> None:
    """Whether parsed before or not, one event makes one message with one id."""
    without_id = view(1)
    del without_id["eventId"]
    receipts = [queue.enqueue(without_id), queue.enqueue(ViewEvent.parse(without_id))]
    events = [parse(raw).event for raw in client.lrange("gong-views.live", 0, -1)]  # type: ignore[union-attr]
    assert events[0] == events[1] and events[0]["eventId"] == receipts[0].event_id == receipts[1].event_id


def test_an_invalid_event_does_not_go_in(queue: ViewQueue, client: redis.Redis) -> None:
    """What Gong is certain to refuse is refused here, and is not counted."""
    with pytest.raises(InvalidViewEvent) as caught:
        queue.enqueue({"reportingSystem": "hub"})
    assert "contentId" in {error["field"] for error in caught.value.errors}
    assert client.keys() == []


def test_wrong_arguments_are_said_at_once(redis_url: str) -> None:
    """A typing error of the programmer is not taken for an outage."""
    with pytest.raises(ValueError, match="live"):
        ViewQueue(redis_url).enqueue(view(), "fast")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch_size"):
        ViewQueue(redis_url).enqueue_many([], batch_size=0)
    for arguments in ({"timeout_seconds": 0}, {"source": ""}, {"on_unavailable": "ignore"}):
        with pytest.raises(SettingsError):
            ViewQueue(redis_url, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1", "must begin with"),
        ("redis://:hunter2@host:port/0", "cannot be read"),
        ("redis://:hunter2@[::1", "cannot be read"),
        ("redis://:hunter2@host:99999/0", "cannot be read"),
        ("redis://:hunter2#1@host:6379/0", "%23"),
        ("redis://:12#hunter2@host:6379/0", "%23"),  # would be port 12 of this machine
        ("redis://shop:12/hunter2@host/0", "%2F"),  # would be port 12 of a host named shop
        ("redis://shop:12?hunter2@host/0", "%3F"),
        ("redis://:hunter2@host/queue", "number of a database"),  # would be database 0
        ("redis://:hunter2@host/0?ssl_cert_reqs=none", "TLS go with rediss"),
        ("redis://:hunter2@host/0?nonsense=hunter2", "what follows the ?"),
        ("redis://:hunter2@host/0?socket_timeout=hunter2", "cannot be read"),
        ("rediss://:hunter2@host/0?ssl_cert_reqs=hunter2", "what follows the ?"),
        (
            "rediss://:hunter2@host/0?ssl_ca_certs=/no.pem",
            "ssl_ca_certs is no file that can be read: /no.pem",
        ),
    ],
)
def test_a_url_that_cannot_work_is_said_at_once(url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that names REDIS_URL and the mend and repeats no secret of it, as argument and in the environment."""
    monkeypatch.setenv("REDIS_URL", url)
    for make in (
        lambda: ViewQueue(url),
        lambda: AsyncViewQueue(url),
        ViewQueue,
        lambda: enqueue_view(view()),
    ):
        with pytest.raises(SettingsError) as caught:
            make()
        text = str(caught.value)
        assert text.startswith("REDIS_URL: ") and said in text and "\n" not in text
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        "redis://", "redis://h", "redis://h/", "redis://:p@ss@h:1/3", "redis://u:p%23%2F@h/0?client_name=shop",
        "rediss://h:1/0?ssl_cert_reqs=none", "unix:///tmp/a@b.sock?db=1", "unix://:pw@/tmp/sock", "redis://[::1]:6379/0",
    ],
)  # fmt: skip
def test_a_url_that_redis_py_takes_is_taken(url: str) -> None:
    """Every form that redis-py documents is a queue."""
    ViewQueue(url).close()


def test_the_environment_names_the_queue(
    redis_url: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`enqueue_view` and `ViewQueue()` use REDIS_URL, also one that has changed."""
    monkeypatch.setenv("REDIS_URL", redis_url.removesuffix("/0") + "/1")
    enqueue_view(view(1))
    monkeypatch.setenv("REDIS_URL", redis_url)
    enqueue_view(view(2), "bulk")
    with ViewQueue() as queue:
        queue.enqueue(view(3), "bulk")
    assert client.llen("gong-views.live") == 0 and client.llen("gong-views.bulk") == 2


def test_a_password_user_and_database_number_of_the_url_are_used(redis_url: str, client: redis.Redis) -> None:
    """A URL with everything in it works as redis-py documents it."""
    client.acl_setuser(
        "shop", enabled=True, passwords=["+p@ss/word"], keys=["gong-views.*"], commands=["+@all"]
    )
    try:
        url = redis_url.replace("//", "//shop:p%40ss%2Fword@").removesuffix("/0") + "/3"
        with ViewQueue(url) as queue:
            queue.enqueue(view(1))
    finally:
        client.acl_deluser("shop")
    with redis.Redis.from_url(redis_url.removesuffix("/0") + "/3") as third:
        assert third.llen("gong-views.live") == 1


def test_threads_share_a_queue(queue: ViewQueue, client: redis.Redis) -> None:
    """Eight threads enqueue through one object and get each their own receipt."""
    receipts: list[tuple[int, str]] = []

    def work(number: int) -> None:
        for index in range(50):
            receipts.append((number * 50 + index, queue.enqueue(view(number * 50 + index)).event_id))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receipts) == [(number, f"view-{number}") for number in range(400)]
    assert client.llen("gong-views.live") == 400


def test_a_forked_child_uses_connections_of_its_own(queue: ViewQueue, client: redis.Redis) -> None:
    """After a fork parent and children enqueue at once, and none reads another's reply."""
    queue.enqueue(view(0))
    children = []
    for child in range(3):
        pid = os.fork()
        if pid == 0:
            try:
                good = all(
                    queue.enqueue(view(child * 100 + n)).event_id == f"view-{child * 100 + n}"
                    for n in range(50)
                )
                os._exit(0 if good else 1)
            finally:
                os._exit(2)
        children.append(pid)
    for number in range(50):
        assert queue.enqueue(view(900 + number)).event_id == f"view-{900 + number}"
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    assert client.llen("gong-views.live") == 201


def test_idle_connections_are_kept_and_closed(redis_url: str, client: redis.Redis) -> None:
    """Enqueues one after the other share a connection; leaving the block closes it."""

    def connections() -> int:
        return len(client.client_list())

    before = connections()
    with ViewQueue(redis_url) as queue:
        for number in range(20):
            queue.enqueue(view(number))
        assert connections() == before + 1
    wait_until(lambda: connections() == before, "the connection to close")
    queue.enqueue(view(21))  # still usable
    queue.close()


def test_ping_tells_whether_redis_answers(queue: ViewQueue) -> None:
    """A readiness check needs no event."""
    queue.ping()
