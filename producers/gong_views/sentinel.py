"""Redis Sentinel: connections that ask the Sentinels for the primary each time they are opened.

After a failover Redis closes the demoted server's connections, and the next one that is opened finds the new primary.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.asyncio.connection import Connection as AioConnection
from redis.asyncio.connection import SSLConnection as AioSSLConnection
from redis.connection import Connection, SSLConnection

# redis-py's own Sentinel connections hang on its pools, which have no deadline for an exchange; ours override how a
# connection is opened, which redis-py keeps private.
for _class in (Connection, AioConnection):
    if not hasattr(_class, "_connect"):
        raise ImportError(
            f"redis {redis.__version__} has no {_class.__name__}._connect: install redis>=6.4,<9, with which "
            "redis+sentinel:// was tested"
        )


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Where the Sentinels listen, and the service whose primary they know."""

    addresses: tuple[tuple[str, int], ...]
    service: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """redis-py's options of a connection to a Sentinel: user, password, TLS."""

    def __str__(self) -> str:
        return (
            f"{self.service} of the Sentinels {', '.join(f'{host}:{port}' for host, port in self.addresses)}"
        )

    def primary(self, seconds: float) -> tuple[str, int]:
        """The primary's address, from the first Sentinel that knows it; `seconds` are for all of them together.

        Raises redis.sentinel.MasterNotFoundError.
        """
        make: Any = redis.sentinel.Sentinel
        asked = make(list(self.addresses), sentinel_kwargs=self._bounded(seconds))
        try:
            host, port = asked.discover_master(self.service)
        finally:
            for client in asked.sentinels:
                client.close()
        return host, port

    async def primary_async(self, seconds: float) -> tuple[str, int]:
        """As `primary`."""
        make: Any = redis.asyncio.sentinel.Sentinel
        asked = make(list(self.addresses), sentinel_kwargs=self._bounded(seconds))
        try:
            host, port = await asked.discover_master(self.service)
        finally:
            for client in asked.sentinels:
                await client.aclose()
        return host, port

    def _bounded(self, seconds: float) -> dict[str, Any]:
        each = seconds / (len(self.addresses) + 1)  # the rest is for the connection to the primary
        return {**self.options, "socket_timeout": each, "socket_connect_timeout": each, "retry": None}


class _ToPrimary:
    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(**options)
        self.sentinels = sentinels

    def _connect(self: Any) -> Any:
        self.host, self.port = self.sentinels.primary(self.socket_connect_timeout or 2.0)
        return super()._connect()  # type: ignore[misc]


class PrimaryConnection(_ToPrimary, Connection):
    """A connection to the primary."""


class PrimarySSLConnection(_ToPrimary, SSLConnection):
    """A connection to the primary over TLS."""


class _ToPrimaryAsync:
    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(**options)
        self.sentinels = sentinels

    async def _connect(self: Any) -> None:
        self.host, self.port = await self.sentinels.primary_async(self.socket_connect_timeout or 2.0)
        await super()._connect()  # type: ignore[misc]


class AsyncPrimaryConnection(_ToPrimaryAsync, AioConnection):
    """A connection to the primary, for asyncio."""


class AsyncPrimarySSLConnection(_ToPrimaryAsync, AioSSLConnection):
    """A connection to the primary over TLS, for asyncio."""


TO_PRIMARY: Mapping[type[Any], type[Any]] = {
    Connection: PrimaryConnection,
    SSLConnection: PrimarySSLConnection,
    AioConnection: AsyncPrimaryConnection,
    AioSSLConnection: AsyncPrimarySSLConnection,
}
