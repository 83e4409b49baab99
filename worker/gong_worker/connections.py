"""The HTTP transport: connections open before a slot is used, and reads that cannot outlast their deadline.

A cold TLS handshake would make a call late for its slot, so `Connections.warm` opens one ahead of time; the
connection pool takes it when it next needs one. Per-read timeouts alone let a server that trickles one byte at
a time hold a call for ever, so every read and write is also bounded by the call's deadline.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, cast

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
        self.has_unread = False

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
        if info == "is_readable" and self.has_unread:
            return True  # which ends its use: the pool drops an idle connection that is readable
        return self._inner.get_extra_info(info)

    def usable(self) -> bool:
        """Not too old, and nothing to read: an idle connection that is readable was closed by the server."""
        fresh = time.monotonic() - self.opened_at < KEEPALIVE_SECONDS
        return fresh and not self._inner.get_extra_info("is_readable")


class Connections(httpcore.NetworkBackend):
    """The network side of the connection pool: hands out connections that were opened ahead of time."""

    def __init__(self, base_url: httpx.URL, ssl_context: Any, *, connect_timeout_seconds: float) -> None:
        self._backend = httpcore.SyncBackend()
        self._secure = base_url.scheme == "https"
        self._host = base_url.host
        self._port = base_url.port or (443 if self._secure else 80)
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


class Transport(httpx.BaseTransport):
    """httpx's transport interface over a connection pool to one origin: HTTP/1.1, keep-alive, TLS verified, no retries.

    Called directly, without `httpx.Client`: there are no redirects, cookies or environment proxies to switch off.
    Raises httpx's exceptions.
    """

    def __init__(self, base_url: httpx.URL, *, max_connections: int, connect_timeout_seconds: float) -> None:
        ssl_context = httpx.create_ssl_context()
        self.connections = Connections(base_url, ssl_context, connect_timeout_seconds=connect_timeout_seconds)
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context,
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=KEEPALIVE_SECONDS,
            http1=True,
            http2=False,
            retries=0,
            network_backend=self.connections,
        )

    def warm(self) -> None:
        """Open a connection unless one is idle; never raises."""
        if not any(c.is_idle() and not c.has_expired() for c in self._pool.connections):
            self.connections.warm()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the answer's body is read from its `stream`, which the caller closes."""
        url = request.url
        try:
            response = self._pool.handle_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(
                        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                    ),
                    headers=request.headers.raw,
                    content=cast(Iterable[bytes], request.stream),
                    extensions=request.extensions,
                )
            )
        except _HTTPCORE_ERRORS as error:
            _raise_as_httpx(error)
        body = _Body(cast(Iterable[bytes], response.stream), response)
        return httpx.Response(
            response.status, headers=response.headers, stream=body, extensions=response.extensions
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()
        self.connections.close()


class _Body(httpx.SyncByteStream):
    """An answer's body as httpx reads it."""

    def __init__(self, chunks: Iterable[bytes], response: httpcore.Response) -> None:
        self._chunks, self._response = chunks, response

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        except _HTTPCORE_ERRORS as error:
            _raise_as_httpx(error)

    def close(self) -> None:
        stream: Any = self._response.extensions["network_stream"]
        if isinstance(stream, _Stream):
            stream.has_unread = _came_more(self._response)
        self._response.close()


def _came_more(response: httpcore.Response) -> bool:
    """Whether more came than the answer: on this connection it would be taken for the answer to the next call."""
    connection: Any = cast(Any, response.stream)._stream._connection  # noqa: SLF001 - httpcore tells nobody
    return bool(connection._h11_state.trailing_data[0])  # noqa: SLF001


_HTTPCORE_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


def _raise_as_httpx(error: Exception) -> NoReturn:
    # Every exception of httpcore has its namesake in httpx.
    raise getattr(httpx, type(error).__name__)(str(error)) from error
