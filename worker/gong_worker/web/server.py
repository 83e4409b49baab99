"""The server process around the application: its socket, its connections' limits, its orderly end."""

import asyncio
import logging
import socket
from functools import partial
from typing import Any, Final, cast

import uvicorn
from fastapi import FastAPI

from gong_worker.stopping import end_well_when_told
from gong_worker.web.http_protocol import (
    ACCEPT_BATCH,
    BoundedProtocol,
    ConnectionLimits,
    ConnectionTable,
    connections_allowed,
)
from gong_worker.web.settings import WebSettings
from gong_worker.web.tally import Tally

log = logging.getLogger(__name__)

BACKLOG: Final = 2048
"""Connections the kernel keeps for us until they are accepted."""
GRACE_SECONDS: Final = 10
"""What requests in flight get to finish at SIGTERM."""
WORK_SECONDS: Final = 30.0
"""What a request may take beside its body's arrival and the enqueue: parsing, and the peer's reading."""


def listen(host: str, port: int) -> socket.socket:
    """The listening socket, port 0 for any free one; raises OSError, and UnicodeError for an impossible host."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def run(app: FastAPI, settings: WebSettings, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is in flight and return."""
    limits = ConnectionLimits(
        connections=connections_allowed(settings.max_connections),
        head_seconds=settings.head_timeout_seconds,
        request_seconds=settings.body_timeout_seconds + settings.enqueue_timeout_seconds + WORK_SECONDS,
    )
    if limits.connections < settings.max_connections:
        log.warning(
            "the limit of open files leaves room for %d connections instead of %d: raise ulimit -n",
            limits.connections,
            settings.max_connections,
            extra={"action": "connections_limited"},
        )
    table = ConnectionTable(limits)
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=cast(Any, partial(BoundedProtocol, table)),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=ACCEPT_BATCH,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    # Below ERROR it tells of itself, and of each malformed request, which the connection table counts.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    end_well_when_told()
    asyncio.run(_serve(_Server(config), listener, table))


class _Server(uvicorn.Server):
    """asyncio takes one number for two things: how many connections it accepts at once, and the kernel's queue."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)


async def _serve(server: uvicorn.Server, listener: socket.socket, table: ConnectionTable) -> None:
    failed_accepts = Tally(log, "accept_failed", "connections could not be accepted")

    def on_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # asyncio reports a failed accept() once for each connection that waits, again every second.
        if str(context.get("message", "")).startswith("socket.accept()"):
            failed_accepts.add(str(getattr(context.get("exception"), "strerror", None)))
        else:
            loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(on_error)
    try:
        await server.serve(sockets=[listener])
    finally:
        table.closed.close()
        failed_accepts.close()
