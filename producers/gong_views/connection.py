"""Connections to Redis on which one exchange never takes longer than its deadline.

redis-py makes and speaks the connections; its timeouts, however, are for each address tried, each write and
each read, and looking up a host name has none. Here one deadline covers all of them.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import redis

from gong_views.commands import Command
from gong_views.errors import SettingsError
from gong_views.redis_errors import ConnectFailed, was_demoted
from gong_views.redis_url import location, redis_options

#: A connection idle for longer is not used again: a firewall may have forgotten it without a word.
IDLE_SECONDS = 30.0
MAX_IDLE = 32
#: How often Sentinels are asked whether the primary is still the same. After a failover they demote the old one only
#: some ten seconds later, and what it acknowledges until then is lost.
FOLLOW_SECONDS = 1.0


def connection_options(url: str, seconds: float, *, asynchronous: bool = False) -> tuple[Any, dict[str, Any]]:
    """The connection class and options of a URL, with timeouts of ours and no retries behind our back.

    Raises SettingsError for a URL that cannot work; the text does not repeat the URL.
    """
    try:
        read = redis_options(url, asynchronous=asynchronous)
    except ValueError as error:
        raise SettingsError(f"REDIS_URL: {error}") from None
    for name in ("max_connections", "timeout"):  # a pool's; ours is bounded anyway
        read.pop(name, None)
    ours: dict[str, Any] = {
        # RESP 2 needs no HELLO: one round trip less to connect, and any Redis will do.
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": None,
        "retry_on_timeout": False,
        "retry_on_error": [],
        "health_check_interval": 0,
    }
    return read.pop("connection_class"), {**read, **ours}


class Connections:
    """A small pool of connections. Safe with threads; a forked child makes connections of its own.

    There is no lock to be inherited in a locked state: taking from and giving to a deque is atomic.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self._class, self._options = connection_options(url, seconds)
        self._seconds = seconds
        self._idle: deque[tuple[Any, float]] = deque()
        self._pid = os.getpid()
        self._primary: tuple[str, int] | None = None
        self._followed_at = 0.0
        self.where = location(self._options)

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Send all commands at once and read one reply each; an error reply is returned, not raised.

        Raises redis.RedisError or OSError. Only what surely was not executed is sent a second time: on a
        connection that turns out to be closed, the last command (EXEC) cannot have been sent in full.
        """
        deadline = time.monotonic() + self._seconds
        connection, replies = self._attempt(self._take(deadline), commands, deadline)
        if was_demoted(replies):
            connection.disconnect()
            self.close()
            if "sentinels" not in self._options:
                return replies
            # Nothing was executed, and the Sentinels know the new primary.
            connection, replies = self._attempt(self._open(deadline), commands, deadline)
        if self._pid == os.getpid() and len(self._idle) < MAX_IDLE:
            self._idle.append((connection, time.monotonic()))
        else:
            connection.disconnect()
        return replies

    def _attempt(
        self, connection: Any, commands: Sequence[Command], deadline: float
    ) -> tuple[Any, list[Any]]:
        """The replies, and the connection they came on."""
        packed = connection.pack_commands(commands)
        try:
            self._send(connection, packed, deadline)
        except redis.ConnectionError:
            connection.disconnect()
            connection = self._open(deadline)
            self._send(connection, packed, deadline)
        replies: list[Any] = []
        for _ in commands:
            self._bound(connection, deadline)
            try:
                replies.append(connection.read_response())
            except redis.ResponseError as error:
                replies.append(error)
        return connection, replies

    def close(self) -> None:
        """Close the idle connections; the next exchange opens a new one."""
        while True:
            try:
                connection, _ = self._idle.popleft()
            except IndexError:
                return
            connection.disconnect()

    def _take(self, deadline: float) -> Any:
        if self._pid != os.getpid():
            # The sockets belong to the parent: forget them, do not speak on them.
            self._idle, self._pid = deque(), os.getpid()
        if "sentinels" in self._options and time.monotonic() - self._followed_at > FOLLOW_SECONDS:
            self._follow_primary(deadline)
        while True:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return self._open(deadline)
            try:
                if time.monotonic() - since < IDLE_SECONDS and not connection.can_read(0):
                    return connection
            except (redis.RedisError, OSError):
                pass  # closed by the server, e.g. restarted
            connection.disconnect()

    def _follow_primary(self, deadline: float) -> None:
        """Close the idle connections if the Sentinels name another primary than before."""
        left = (deadline - time.monotonic()) / 2
        sentinels = self._options["sentinels"]
        primary, failure = _in_thread(lambda: sentinels.primary(left), time.monotonic() + left)
        self._followed_at = time.monotonic()
        # Where no Sentinel answers, the connections there are may do.
        if failure is None and primary != self._primary:
            self._primary = primary
            self.close()

    def _open(self, deadline: float) -> Any:
        """A new, authenticated connection."""
        connection: Any = self._class(**self._options)
        _, failure = _in_thread(connection.connect, deadline)
        if failure is not None:
            raise ConnectFailed("connecting failed") from failure
        return connection

    def _send(self, connection: Any, packed: Any, deadline: float) -> None:
        self._bound(connection, deadline)
        connection.send_packed_command(packed, check_health=False)

    @staticmethod
    def _bound(connection: Any, deadline: float) -> None:
        """What is left of the deadline is the socket's timeout."""
        left = deadline - time.monotonic()
        if left <= 0:
            connection.disconnect()
            raise redis.TimeoutError("the deadline has passed")
        # redis-py has no public way to shorten the timeout of a connection that is open.
        if connection._sock is not None:  # noqa: SLF001
            connection._sock.settimeout(left)  # noqa: SLF001


def _in_thread(call: Callable[[], Any], deadline: float) -> tuple[Any, BaseException | None]:
    """The call's result or its error, TimeoutError after the deadline.

    In a thread, for looking up a host name cannot be interrupted. The error is returned: raised here it would lose
    its context, which has the cause.
    """
    results: list[Any] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="gong-views-connect", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the interpreter is shutting down: no more threads
        run()
    else:
        thread.join(max(deadline - time.monotonic(), 0.001))
        if thread.is_alive():
            return None, TimeoutError("it took too long")
    return (None, failures[0]) if failures else (results[0], None)
