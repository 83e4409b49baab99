"""The simulator as a server: inside an event loop, inside a thread, or as a process."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gong_worker.simulator.client import SimulatorClient
from gong_worker.simulator.company import Company
from gong_worker.simulator.config import SimulatorConfig
from gong_worker.simulator.connection import Connection, StampedReader


class Simulator:
    """A Gong stand-in that listens on `host:port` (0: a free port) between `start` and `stop`.

    With `log_path` every call is appended to that file, and what it holds already is remembered.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        config: SimulatorConfig | None = None,
        log_path: Path | str | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.company = Company(config or SimulatorConfig(), Path(log_path) if log_path is not None else None)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it answers; complete once started."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen. OSError when the port is taken."""
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.StreamReaderProtocol:
            return asyncio.StreamReaderProtocol(StampedReader(), self._connected, loop=loop)

        self._server = await loop.create_server(protocol, self.host, self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(reader, StampedReader)
        task = asyncio.get_running_loop().create_task(Connection(self.company, reader, writer).serve())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Close the port, cut every connection, close the log."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.company.log.close()


async def _serve(simulator: Simulator, ready: Callable[[str], None] | None, stop: asyncio.Event) -> None:
    await simulator.start()
    try:
        if ready is not None:
            ready(simulator.url)
        await stop.wait()
    finally:
        await simulator.stop()


def run(
    host: str = "127.0.0.1",
    port: int = 0,
    config: SimulatorConfig | None = None,
    ready: Callable[[str], None] | None = None,
    *,
    log_path: Path | str | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called once with the URL. OSError when the port is taken."""

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            # Handlers can be set in the main thread only; elsewhere the process ends it.
            with suppress(NotImplementedError, RuntimeError, ValueError):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await _serve(Simulator(host, port, config, log_path), ready, stop)

    asyncio.run(main())


@contextmanager
def running_simulator(
    *, host: str = "127.0.0.1", port: int = 0, log_path: Path | str | None = None, **config: Any
) -> Iterator[SimulatorClient]:
    """A simulator in a thread of this process for the length of the block; the client that steers it.

    `config` are fields of `SimulatorConfig`.
    """
    simulator = Simulator(host, port, SimulatorConfig(**config), log_path)
    started = threading.Event()
    failures: list[BaseException] = []
    handles: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        handles.append((asyncio.get_running_loop(), stop))
        await _serve(simulator, lambda _url: started.set(), stop)

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # handed to the caller below
            failures.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=work, name="gong-simulator", daemon=True)
    thread.start()
    started.wait()
    if failures:
        thread.join()
        raise failures[0]
    try:
        with SimulatorClient(simulator.url) as client:
            yield client
    finally:
        loop, stop = handles[0]
        with suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(stop.set)
        thread.join()
    if failures:
        raise failures[0]
