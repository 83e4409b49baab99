"""Scripts of Redis that every delivery runs: their EVALSHA packed once, sent on a connection of redis-py's pool.

redis-py packs a dozen keys anew at each call, which is most of what a script costs here. Of its connections only what
is public is used: they connect, authenticate, follow a failover and turn replies into its exceptions as ever.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import redis


class PackedScript:
    """The EVALSHA of one script on fixed keys, whose arguments are as many at each call."""

    def __init__(self, text: str, keys: Sequence[str], *, arguments: int) -> None:
        sha = hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 (how Redis names scripts)
        fixed: tuple[str | int, ...] = ("EVALSHA", sha, len(keys), *keys)
        self._head = b"*%d\r\n" % (len(fixed) + arguments) + b"".join(map(_packed, fixed))

    def packed(self, *arguments: str | int) -> bytes:
        """The command as Redis reads it (RESP arrays of bulk strings)."""
        return self._head + b"".join(map(_packed, arguments))


def run(client: redis.Redis, *commands: bytes) -> list[Any]:
    """One round trip: the reply to each, or the ResponseError that came instead of it.

    Raises RedisError when there was no connection or not every reply came: any of them may have run.
    """
    pool = client.connection_pool
    connection: Any = pool.get_connection()
    try:
        connection.send_packed_command([b"".join(commands)])
        return [_reply(connection) for _ in commands]
    except BaseException:
        connection.disconnect()  # what is still to be read must not answer another command
        raise
    finally:
        pool.release(connection)


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error


def _packed(value: str | int) -> bytes:
    data = str(value).encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)
