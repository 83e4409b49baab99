"""Connections to Redis for asyncio: redis-py's pool, one for each event loop, inside one deadline."""

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import redis
from redis.asyncio.connection import AbstractConnection, BlockingConnectionPool

from gong_views.commands import Command
from gong_views.connection import FOLLOW_SECONDS, IDLE_SECONDS, MAX_IDLE, connection_options
from gong_views.redis_errors import ConnectFailed, was_demoted
from gong_views.redis_url import location


class AsyncConnections:
    """At most MAX_IDLE connections for each event loop; one exchange never takes longer than its deadline.

    Several event loops may use one instance at once, each in its thread: a connection belongs to its loop.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self._class, self._options = connection_options(url, seconds, asynchronous=True)
        self._seconds = seconds
        self._local = threading.local()
        self.where = location(self._options)

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Send all commands at once and read one reply each; an error reply is returned, not raised.

        Raises redis.RedisError or OSError (TimeoutError is one). What may have been executed is not repeated.
        """
        pool: Any = self._pool()
        connecting = True
        try:
            async with asyncio.timeout(self._seconds):
                await self._follow_primary(pool)
                connection = await pool.get_connection()
                connecting = False
                try:
                    replies = await _exchange(connection, commands)
                    if not was_demoted(replies):
                        return replies
                    await connection.disconnect(nowait=True)
                    # Nothing was executed. Where Sentinels know the new primary, it is asked at once.
                    return await _exchange(connection, commands) if "sentinels" in self._options else replies
                except BaseException:
                    # Also when cancelled: a reply may be on its way that must not be taken for another's.
                    await connection.disconnect(nowait=True)
                    raise
                finally:
                    # Shielded: a connection that is not given back is one less for ever.
                    await asyncio.shield(pool.release(connection))
        except (redis.RedisError, OSError) as error:
            if connecting:
                raise ConnectFailed("connecting failed") from error
            raise

    async def close(self) -> None:
        """Close this loop's connections; the next exchange opens a new one."""
        if getattr(self._local, "owner", None) == _owner():
            await self._local.pool.disconnect()

    async def _follow_primary(self, pool: "_Pool") -> None:
        """Close the idle connections if the Sentinels name another primary than before."""
        sentinels = self._options.get("sentinels")
        if sentinels is None or time.monotonic() - pool.followed_at < FOLLOW_SECONDS:
            return
        pool.followed_at = time.monotonic()
        try:
            primary = await sentinels.primary_async(self._seconds / 2)
        except (redis.RedisError, OSError):
            return  # no Sentinel answers: the connections there are may do
        if primary != pool.primary:
            pool.primary = primary
            await pool.disconnect(inuse_connections=False)

    def _pool(self) -> "_Pool":
        owner = _owner()
        if getattr(self._local, "owner", None) != owner:
            self._local.pool = _Pool(
                connection_class=self._class, max_connections=MAX_IDLE, timeout=None, **self._options
            )
            self._local.owner = owner
        pool: _Pool = self._local.pool
        return pool


def _owner() -> tuple[int, asyncio.AbstractEventLoop]:
    return os.getpid(), asyncio.get_running_loop()


class _Pool(BlockingConnectionPool):
    """redis-py's pool, which opens a new connection for one that is stale or that the server has closed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.primary: tuple[str, int] | None = None
        self.followed_at = 0.0
        self._released: WeakKeyDictionary[AbstractConnection, float] = WeakKeyDictionary()

    async def ensure_connection(self, connection: Any) -> None:
        if connection.is_connected and await self._is_stale(connection):
            await connection.disconnect(nowait=True)
        await connection.connect()

    async def _is_stale(self, connection: Any) -> bool:
        """Whether it was idle for too long, the server has closed it, or something unread is on it."""
        if time.monotonic() - self._released.get(connection, 0.0) > IDLE_SECONDS:
            return True
        for _ in range(2):  # one round of the loop to hear that it was closed, one to note it on the stream
            await asyncio.sleep(0)
        look = getattr(connection, "can_read", None) or connection.can_read_destructive
        try:
            return bool(await look())
        except (redis.RedisError, OSError):
            return True

    async def release(self, connection: AbstractConnection) -> None:
        self._released[connection] = time.monotonic()
        await super().release(connection)


async def _exchange(connection: Any, commands: Sequence[Command]) -> list[Any]:
    packed = connection.pack_commands(commands)
    try:
        await connection.send_packed_command(packed, check_health=False)
    except redis.ConnectionError:
        # Not all was written, so EXEC, which comes last, cannot have been executed.
        try:
            await connection.connect()
        except (redis.RedisError, OSError) as error:
            raise ConnectFailed("connecting failed") from error
        await connection.send_packed_command(packed, check_health=False)
    return [await _reply(connection) for _ in commands]


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except redis.ResponseError as error:
        return error
