"""The ACL users of `gong-views acl` on a real Valkey: each does its job, and is refused the rest."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner
from redis.backoff import NoBackoff
from redis.retry import Retry

from gong_views import QueueUnavailable, ViewQueue
from gong_views.aio import AsyncViewQueue
from gong_views.errors import SettingsError
from gong_worker.cli import cli
from gong_worker.ledger import migrate
from gong_worker.operations.redis_acl import RedisUser
from gong_worker.operations.services import redis_client
from gong_worker.queue.server import refuse_unfit
from tests.support.guarded import PASSWORDS, GuardedValkey, guarded_valkey
from tests.support.pipeline import Pipeline
from tests.support.sentinel import SERVICE, watched
from tests.support.servers import free_port, wait_until
from tests.support.simulator import simulator_process
from tests.support.views import view


@pytest.fixture(scope="module")
def server() -> Iterator[GuardedValkey]:
    """One for all tests of this module."""
    with guarded_valkey() as running:
        yield running


# What nobody of ours may do, and what each may not do besides: the command, as it is sent.
NOBODY = (
    "FLUSHALL", "CONFIG GET *", "KEYS *", "SCAN 0", "SHUTDOWN NOSAVE", "ACL LIST", "MONITOR",
    "CLIENT LIST", "SCRIPT FLUSH", "SET foreign 1", "GET foreign", "LPUSH celery x", "RENAME gong-views.live foreign",
    "REPLICAOF NO ONE", "FUNCTION LIST", "SUBSCRIBE foreign",
)  # fmt: skip
REFUSED = {
    RedisUser.PRODUCER: (
        "LRANGE gong-views.live 0 -1", "RPOP gong-views.live", "LLEN gong-views.live", "DEL gong-views.live",
        "HGETALL gong-views.intake", "HSET gong-views.intake a 1", "HGETALL gong-views.unacked",
        "HGETALL {gong-views.gate}:holds", "HINCRBY gong-views.workers a 1", "LPUSH gong-views.unreadable x",
        "TIME", "INFO", "EVAL return 0",
    ),
    RedisUser.WEB: (
        "RPOP gong-views.live", "LREM gong-views.live 1 x", "HSET {gong-views.gate}:holds operator x",
        "DEL {gong-views.gate}:day", "HDEL gong-views.unacked x", "SET gong-views.live x", "PUBLISH /0.celery.pidbox x",
    ),
    RedisUser.WORKER: (),
    RedisUser.OPERATOR: ("PUBLISH /0.celery.pidbox x", "SUBSCRIBE /0.celery.pidbox"),
    RedisUser.REPLICA: ("GET gong-views.live", "INFO"),
    RedisUser.SENTINEL: ("GET gong-views.live", "LPUSH gong-views.live x", "PUBLISH /0.celery.pidbox x"),
    RedisUser.HEALTH: ("GET gong-views.live", "LPUSH gong-views.live x", "INFO", "TIME"),
}  # fmt: skip


@pytest.mark.parametrize("user", RedisUser)
def test_each_user_is_refused_what_is_not_its_job(server: GuardedValkey, user: RedisUser) -> None:
    """No user reaches the server's administration or another application's keys; each has its own bounds besides."""
    with redis.Redis.from_url(server.url_of(user)) as client:
        assert client.ping()
        for command in (*NOBODY, *REFUSED[user]):
            words = command.split(" ")
            if words[0] == "EVAL":
                words = ["EVAL", "return 0", "0"]
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*words)
    once = Retry(NoBackoff(), 0)
    with (
        redis.Redis(port=server.port, retry=once) as nobody,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        nobody.ping()


def test_a_worker_with_another_users_rights_does_not_start(server: GuardedValkey) -> None:
    """A worker that was given another one's user, an operator's too, says so at its start; its own will do."""
    for user in RedisUser:
        client = redis_client(server.url_of(user))
        if user is RedisUser.WORKER:
            refuse_unfit(client)
        else:
            with pytest.raises(SettingsError, match="gong-views-worker"):
                refuse_unfit(client)
        client.close()


def test_a_worker_without_channels_does_not_start(server: GuardedValkey) -> None:
    """Every command and key is not enough: Redis gives a user no channel by itself, and Celery would try for ever."""
    with server.administrator() as administrator:
        administrator.execute_command(
            "ACL", "SETUSER", "everything", "on", ">x", "~*", "+@all", "resetchannels"
        )
    client = redis_client(f"redis://everything:x@127.0.0.1:{server.port}/3")
    with pytest.raises(SettingsError, match="gong-views-worker"):
        refuse_unfit(client)
    with server.administrator() as administrator:
        administrator.execute_command("ACL", "SETUSER", "everything", "&/3.celery.pidbox")
    refuse_unfit(client)
    client.close()
    with server.administrator() as administrator:
        administrator.execute_command("ACL", "DELUSER", "everything")


def test_a_worker_with_a_wrong_password_or_database_does_not_start(server: GuardedValkey) -> None:
    """What waiting cannot mend ends the start with the setting to correct, and without the password."""
    for url, mend in (
        (server.url.replace("-password", "-hunter2"), "correct REDIS_URL"),
        (server.url.removesuffix("/0") + "/99", "correct the end of REDIS_URL"),
    ):
        client = redis_client(url)
        with pytest.raises(SettingsError, match=mend) as caught:
            refuse_unfit(client)
        assert "hunter2" not in str(caught.value)
        client.close()


def test_a_worker_waits_for_a_queue_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """A server that may still come ends no start; one line says where it is looked for, and what may be wrong."""
    client = redis_client(f"redis://127.0.0.1:{free_port()}/0")
    refuse_unfit(client)
    (line,) = caplog.records
    assert "refuses connections: start it, or correct REDIS_URL" in line.getMessage()
    client.close()


def test_a_producer_enqueues(server: GuardedValkey) -> None:
    """The producer's user does whatever `gong_views` does: both lanes, batches, asyncio, readiness."""
    server.refused()
    url = server.url_of(RedisUser.PRODUCER)
    with ViewQueue(url) as queue:
        queue.ping()
        queue.enqueue(view(1))
        queue.enqueue_many([view(2), view(3)], "bulk")

    async def asynchronous() -> None:
        async with AsyncViewQueue(url) as queue:
            await queue.ping()
            await queue.enqueue(view(4))

    asyncio.run(asynchronous())
    assert server.refused() == []
    with server.administrator() as client:
        assert [client.llen("gong-views.live"), client.llen("gong-views.bulk")] == [2, 2]
        client.flushall()


def test_workers_and_operators_do_all_their_work(server: GuardedValkey, tmp_path: Path) -> None:
    """Deliveries, retries, dead letters, quarantine, holds, limits, replays, the preflight: nothing is refused."""
    server.refused()
    database_url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate(database_url)
    with simulator_process(tmp_path / "simulator.jsonl", per_second=100) as simulator:
        pipeline = Pipeline(tmp_path, server, database_url, simulator)
        environment = {**pipeline.environment, "REDIS_URL": server.url_of(RedisUser.OPERATOR)}

        def run(*words: str) -> str:
            done = CliRunner().invoke(cli, list(words), env=environment)
            assert done.exit_code == 0, done.output
            return done.stdout

        try:
            simulator.client.fault("reject", match={"eventId": "view-1"})
            simulator.client.fault("status", status=500, match={"eventId": "view-2"})
            pipeline.worker()
            with ViewQueue(server.url_of(RedisUser.PRODUCER)) as queue:
                for number in range(4):
                    pipeline.put(queue, number)
            with server.administrator() as client:
                client.lpush("gong-views.live", "unreadable")
            wait_until(lambda: pipeline.ledger.counts()["delivered"] == 3, "three deliveries", 120)
            wait_until(pipeline.drained, "the rest", 120)
            letter = str(
                json.loads(run("dead-letters", "list", "--reason", "rejected", "--json"))["dead_letters"][0][
                    "id"
                ]
            )
            run("check")
            run("hold", "--reason", "a test")
            run("limits", "set", "--calls-per-day", "9000")
            run("queue", "peek")
            run("dead-letters", "replay", letter, "--yes")
            run("replays", "list")
            run("limits", "unset")
            run("release")
            wait_until(lambda: len(pipeline.accepted()) == 4, "the replay", 120)
            pipeline.drain()
            run("status")
            run("reconcile")
            assert pipeline.workers[0].terminate(60) == 0
            assert server.refused() == []
        finally:
            pipeline.close()


def test_a_failover_goes_through_with_the_users(tmp_path: Path) -> None:
    """Replicas and Sentinels do their part with users of their own; a producer goes on behind the new primary."""
    user, producer = RedisUser.SENTINEL, RedisUser.PRODUCER
    login = f"sentinel auth-user {SERVICE} {user}\nsentinel auth-pass {SERVICE} {PASSWORDS[user]}\n"
    with watched(guarded_valkey, login) as line:
        url = line.url.replace("://", f"://{producer}:{PASSWORDS[producer]}@")
        with ViewQueue(url) as queue:
            queue.enqueue(view(1))
            before = line.primary()
            before.kill()

            def enqueued() -> bool:
                try:
                    return bool(queue.enqueue(view(2)))
                except QueueUnavailable:
                    return False

            wait_until(enqueued, "an enqueue at the new primary", 120)
        after = line.primary()
        assert isinstance(after, GuardedValkey)
        assert after is not before
        assert after.refused() == []
