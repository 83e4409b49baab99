"""`ViewQueue` on a real server: what is in Redis when `enqueue` returns."""

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

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
    for wrong in ("http://127.0.0.1", "redis://:hunter2@host:port/0", "redis://:hunter2@[::1"):
        with pytest.raises(SettingsError, match="REDIS_URL") as caught:
            ViewQueue(wrong)
        assert "hunter2" not in str(caught.value)
    for arguments in ({"timeout_seconds": 0}, {"source": ""}, {"on_unavailable": "ignore"}):
        with pytest.raises(SettingsError):
            ViewQueue(redis_url, **arguments)  # type: ignore[arg-type]


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
