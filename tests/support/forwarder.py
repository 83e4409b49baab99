"""A port in front of another server, with or without TLS: to a client as good as the server's own TLS."""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SSL_REQUEST = struct.pack("!II", 8, 80877103)


class Forwarder:
    """Forwards each connection to `target`: a port of this machine, or the path of a socket.

    tls: the certificate it shows. postgresql: TLS begins after PostgreSQL's own request for it.
    """

    def __init__(
        self, target: int | Path, *, tls: ssl.SSLContext | None = None, postgresql: bool = False
    ) -> None:
        self._target, self._tls, self._postgresql = target, tls, postgresql
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._task = asyncio.current_task()
        at_once = None if self._postgresql else self._tls
        async with await asyncio.start_server(self._connected, sock=self._listener, ssl=at_once) as server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, asyncio.CancelledError):
            if self._postgresql and self._tls is not None:
                if await reader.readexactly(8) != _SSL_REQUEST:
                    writer.close()  # hostssl only
                    return
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self._tls)
            if isinstance(self._target, Path):
                to_reader, to_writer = await asyncio.open_unix_connection(self._target)
            else:
                to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(_pump(reader, to_writer), _pump(to_reader, writer))

    def close(self) -> None:
        """Close the port and every connection."""
        self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
        self._thread.join(30)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError):
        writer.close()


@contextmanager
def forwarder(
    target: int | Path, *, tls: ssl.SSLContext | None = None, postgresql: bool = False
) -> Iterator[Forwarder]:
    """A running one for the length of the block."""
    running = Forwarder(target, tls=tls, postgresql=postgresql)
    try:
        yield running
    finally:
        running.close()
