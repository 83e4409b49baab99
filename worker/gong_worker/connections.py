"""HTTP connections to one origin: open before a slot is used, and with reads that cannot outlast their deadline.

A cold TLS handshake would make a call late for its slot, so `Connections.warm` opens one ahead of time; the
next call that has no idle one takes it. Per-read timeouts alone let a server that trickles one byte at
a time hold a call for ever, so every read and write is also bounded by the call's deadline.
"""

import ssl
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import httpcore
import httpx

KEEPALIVE_SECONDS = 30.0
WRITE_BYTES = 16_384
_call = threading.local()


def set_deadline(at_monotonic: float) -> None:
    """Bound every read and write of this thread's call; `at_monotonic` is a `time.monotonic()` value."""
    _call.deadline = at_monotonic


def _left(timeout: float | None, error: type[Exception]) -> float | None:
    deadline: float | None = getattr(_call, "deadline", None)
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise error("the call's deadline passed")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    """One connection; `opened_at` tells how long it has been idle when it was opened ahead of time."""

    def __init__(self, inner: httpcore.NetworkStream, *, secure: bool) -> None:
        self._inner, self._secure, self.opened_at = inner, secure, time.monotonic()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Piece by piece: the timeout is for each time the peer makes room, not for all of it.
        for start in range(0, len(buffer), WRITE_BYTES):
            self._inner.write(buffer[start : start + WRITE_BYTES], _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        if self._secure:  # opened ahead of time, handshake done
            return self
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout), secure=True)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def usable(self) -> bool:
        """Not too old, and nothing to read: an idle connection that is readable was closed by the server."""
        fresh = time.monotonic() - self.opened_at < KEEPALIVE_SECONDS
        return fresh and not self._inner.get_extra_info("is_readable")


class Connections(httpcore.NetworkBackend):
    """The network side: hands out connections that were opened ahead of time."""

    def __init__(
        self, origin: httpcore.Origin, ssl_context: ssl.SSLContext, *, connect_timeout_seconds: float
    ) -> None:
        self._backend = httpcore.SyncBackend()
        self._secure = origin.scheme == b"https"
        self._host, self._port = origin.host.decode("ascii"), origin.port
        self._timeout = connect_timeout_seconds
        self._ssl = ssl_context
        self._ready: list[_Stream] = []
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Have one connection ready. A failure is left for the call itself to meet."""
        with self._lock:
            usable = [stream for stream in self._ready if stream.usable()]
            stale = [stream for stream in self._ready if stream not in usable]
            self._ready = usable
        for stream in stale:
            stream.close()
        if usable:
            return
        try:
            stream = self._open(self._host, self._port, self._timeout, None)
            if self._secure:
                stream = cast(_Stream, stream.start_tls(self._ssl, self._host, self._timeout))
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            return
        with self._lock:
            self._ready.append(stream)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        if (host, port) == (self._host, self._port):
            with self._lock:
                ready, self._ready = self._ready, []
                while ready:
                    stream = ready.pop()
                    if stream.usable():
                        self._ready = ready
                        return stream
                    stream.close()
        return self._open(host, port, timeout, socket_options)

    def _open(self, host: str, port: int, timeout: float | None, options: Iterable[Any] | None) -> _Stream:
        inner = self._backend.connect_tcp(host, port, timeout=timeout, socket_options=options or [])
        return _Stream(inner, secure=False)

    def close(self) -> None:
        """Close what was opened ahead of time and not used."""
        with self._lock:
            ready, self._ready = self._ready, []
        for stream in ready:
            stream.close()


class Pool:
    """Keep-alive connections to one origin: HTTP/1.1, TLS verified, no retries, redirects, cookies or proxies.

    Callers are as many as threads: each takes the idle connection that was used last, or opens one. (httpcore's
    own pool looks at every connection twice a call.) `send` raises the exceptions of ERRORS.
    """

    def __init__(self, origin: httpcore.Origin, *, connect_timeout_seconds: float) -> None:
        self._origin = origin
        self._ssl = httpx.create_ssl_context()
        self._connections = Connections(origin, self._ssl, connect_timeout_seconds=connect_timeout_seconds)
        self._idle: deque[httpcore.HTTPConnection] = deque()

    def warm(self) -> None:
        """Open a connection unless one is idle; never raises."""
        with suppress(IndexError):  # another thread has taken the last one
            # The one that was used longest ago goes when nobody needs as many any more.
            if self._idle[0].has_expired():
                self._idle.popleft().close()
            if not self._idle[-1].has_expired():
                return
        self._connections.warm()

    @contextmanager
    def send(self, request: httpcore.Request) -> Iterator[httpcore.Response]:
        """The answer, its body still to be read; the connection serves again if it was read to its end."""
        connection, came_more = self._take(), False
        try:
            response = connection.handle_request(request)
            try:
                yield response
            finally:
                came_more = _came_more(response)
                response.close()
        finally:
            if connection.is_idle() and not came_more:
                self._idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close every connection that no call uses."""
        while self._idle:
            self._idle.pop().close()
        self._connections.close()

    def _take(self) -> httpcore.HTTPConnection:
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if not connection.has_expired():
                    return connection
                connection.close()
        return httpcore.HTTPConnection(
            self._origin,
            ssl_context=self._ssl,
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=self._connections,
        )


def _came_more(response: httpcore.Response) -> bool:
    """Whether more came than the answer: on this connection it would be taken for the answer to the next call."""
    connection = cast(Any, response.stream)._connection  # noqa: SLF001 - httpcore tells nobody
    return bool(connection._h11_state.trailing_data[0])  # noqa: SLF001


ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
