"""TLS to Redis and PostgreSQL with a private CA: the whole way, and what is said when it is not trusted.

The servers from the wheels are built without TLS, so a forwarder shows the certificate in front of each.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
import sqlalchemy as sa
import trustme

from gong_views import QueueUnavailable, ViewQueue
from gong_views.aio import AsyncViewQueue
from gong_views.errors import SettingsError
from gong_worker.ledger import LedgerUnavailable, check_schema, migrate, open_engine
from gong_worker.operations.services import redis_client
from gong_worker.queue.availability import away, place
from gong_worker.queue.server import refuse_unfit
from tests.support.forwarder import Forwarder, forwarder
from tests.support.pipeline import Pipeline
from tests.support.servers import Postgres, Valkey, wait_until
from tests.support.simulator import simulator_process
from tests.support.views import view

BEGAN, ENDED = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)


@dataclass
class Authority:
    """A private CA, its certificate as a file, and the contexts of servers it has signed."""

    ca: trustme.CA
    file: Path

    def server(self, host: str = "127.0.0.1") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(host).configure_cert(context)
        return context


def authority(folder: Path, name: str) -> Authority:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / f"{name}.pem")
    return Authority(ca, folder / f"{name}.pem")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The CA that signed the servers' certificates."""
    return authority(tmp_path_factory.mktemp("ca"), "ours")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another one."""
    return authority(tmp_path_factory.mktemp("ca"), "foreign")


def redis_url_at(front: Forwarder, ca: Authority | None) -> str:
    options = "" if ca is None else f"?ssl_ca_certs={ca.file}"
    return f"rediss://127.0.0.1:{front.port}/0{options}"


@contextmanager
def postgres_front(server: Postgres, tls: ssl.SSLContext) -> Iterator[tuple[Forwarder, sa.URL]]:
    """The front of a PostgreSQL that takes nothing but TLS, and the URL of a new database behind it."""
    socket = next(Path(server._server.get_postmaster_info().socket_dir).glob(".s.PGSQL.*[0-9]"))
    address = sa.make_url(server.new_database())
    with forwarder(socket, tls=tls, postgresql=True) as front:
        yield (
            front,
            sa.URL.create(
                address.drivername, address.username, None, "127.0.0.1", front.port, address.database
            ),
        )


def text(address: sa.URL, **options: Any) -> str:
    return address.update_query_dict({key: str(value) for key, value in options.items()}).render_as_string()


def test_an_event_gets_through_by_tls_alone(
    tmp_path: Path, valkey_server: Valkey, redis_url: str, postgres_server: Postgres, ours: Authority
) -> None:
    """Producer, worker and ledger speak TLS verified by a private CA, named in REDIS_URL and DATABASE_URL."""
    with ExitStack() as stack:
        front = stack.enter_context(forwarder(valkey_server.port, tls=ours.server()))
        _, address = stack.enter_context(postgres_front(postgres_server, ours.server()))
        simulator = stack.enter_context(simulator_process(tmp_path / "simulator.jsonl", per_second=100))
        database_url = text(address, sslmode="verify-full", sslrootcert=ours.file)
        migrate(database_url)
        queue_server: Any = SimpleNamespace(url=redis_url_at(front, ours))
        pipeline = Pipeline(tmp_path, queue_server, database_url, simulator)
        stack.callback(pipeline.close)
        pipeline.worker()
        pipeline.enqueue([1])

        async def asynchronous() -> None:
            async with AsyncViewQueue(queue_server.url) as queue:
                await queue.enqueue(view(2))

        asyncio.run(asynchronous())
        wait_until(lambda: pipeline.accepted() == {"view-1", "view-2"}, "both events", 120)
        pipeline.drain()


@pytest.mark.parametrize("trusted", ["none", "foreign"])
def test_an_untrusted_redis_is_refused(
    valkey_server: Valkey, ours: Authority, foreign: Authority, trusted: str
) -> None:
    """No event, no password goes to a Redis whose certificate another CA signed; the text says what to set."""
    with forwarder(valkey_server.port, tls=ours.server()) as front:
        url = redis_url_at(front, {"none": None, "foreign": foreign}[trusted])
        with ViewQueue(url) as queue, pytest.raises(QueueUnavailable, match="ssl_ca_certs") as raised:
            queue.ping()
        assert raised.value.reason == "tls"

        async def asynchronous() -> None:
            async with AsyncViewQueue(url) as queue:
                await queue.ping()

        with pytest.raises(QueueUnavailable, match="ssl_ca_certs"):
            asyncio.run(asynchronous())
        client = redis_client(url)
        with pytest.raises(redis.ConnectionError) as failed:
            client.ping()
        assert "ssl_ca_certs" in away(failed.value, place(client))


def test_a_redis_with_an_expired_certificate_is_refused(valkey_server: Valkey, ours: Authority) -> None:
    """The text says that its time is over, not that its CA were unknown, and a worker does not start on it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.ca.issue_cert("127.0.0.1", not_before=BEGAN, not_after=ENDED).configure_cert(context)
    with forwarder(valkey_server.port, tls=context) as front:
        client = redis_client(redis_url_at(front, ours))
        with pytest.raises(SettingsError, match=r"has expired\): renew it at the server"):
            refuse_unfit(client)
        client.close()


def test_a_redis_of_another_name_is_refused(valkey_server: Valkey, ours: Authority) -> None:
    """A certificate for another host proves nothing, whoever signed it; the text says that the name is wrong."""
    with (
        forwarder(valkey_server.port, tls=ours.server("other.example")) as front,
        ViewQueue(redis_url_at(front, ours)) as queue,
        pytest.raises(QueueUnavailable, match="another host"),
    ):
        queue.ping()


def test_a_redis_with_tls_says_so(valkey_server: Valkey, ours: Authority) -> None:
    """redis:// to a server that takes TLS alone ends at once, with the scheme to use."""
    with (
        forwarder(valkey_server.port, tls=ours.server()) as front,
        ViewQueue(f"redis://127.0.0.1:{front.port}/0") as queue,
        pytest.raises(QueueUnavailable, match="rediss://"),
    ):
        queue.ping()


@pytest.mark.parametrize(
    ("host", "trusts"), [("127.0.0.1", "foreign"), ("127.0.0.1", "none"), ("other.example", "ours")]
)
def test_an_untrusted_postgresql_is_refused(
    postgres_server: Postgres, ours: Authority, foreign: Authority, host: str, trusts: str
) -> None:
    """verify-full takes no other CA, no other host and no missing CA; the text names the option to set."""
    with postgres_front(postgres_server, ours.server(host)) as (_, address):
        root = {"foreign": {"sslrootcert": foreign.file}, "ours": {"sslrootcert": ours.file}, "none": {}}[
            trusts
        ]
        engine = open_engine(text(address, sslmode="verify-full", **root))
        with pytest.raises(LedgerUnavailable) as raised:
            check_schema(engine)
        engine.dispose()
    assert "sslrootcert" in str(raised.value)
    assert "disable" not in str(raised.value)
