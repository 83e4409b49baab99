"""HTTP/1.1 connections within limits: uvicorn's h11 protocol with a deadline for every phase.

uvicorn ends idle connections, but waits for ever for a request head that was begun. granian and hypercorn have
a timeout for the head; until it passes, however, connections that send none keep all others out. Here the
connection that has waited longest without a request is closed when a new one arrives at the limit.
"""

import asyncio
import logging
import resource
from dataclasses import dataclass
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from gong_worker.web.tally import Tally

log = logging.getLogger(__name__)

ACCEPT_BATCH: Final = 64
"""Connections asyncio accepts in one round of its loop; it takes three more rounds to count and close one."""
RESERVED_FILES: Final = 4 * ACCEPT_BATCH + 128
"""File descriptors for what the table does not count: connections just accepted, Redis, the ledger, logs."""


FREE_PIECES: Final = 1_000
BYTES_PER_PIECE: Final = 128
"""A body may come in so many chunks, and in one more for so many bytes."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections there may be, and how long each may take over a request."""

    connections: int
    head_seconds: float
    """From the connection's start, or its last answer, to the end of the next request head."""
    request_seconds: float
    """From the end of the head to the last byte of the answer."""


def connections_allowed(wanted: int) -> int:
    """`wanted`, or what the process's limit of open files leaves room for if that is less."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, files - RESERVED_FILES))


class ConnectionTable:
    """The open connections of one server; those without a request in order of how long they have waited."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.closed = Tally(log, "connections_closed", "connections closed")
        self._open: set[BoundedProtocol] = set()
        self._waiting: dict[BoundedProtocol, None] = {}

    def opened(self, connection: "BoundedProtocol") -> None:
        """Count a new connection; at the limit, close the longest waiting one, or this one if all are busy."""
        self._open.add(connection)
        if len(self._open) > self.limits.connections:
            self.close(next(iter(self._waiting), connection), "over the limit of connections")

    def waits(self, connection: "BoundedProtocol") -> None:
        """It waits for a request head from now on."""
        if connection in self._open:
            self._waiting.pop(connection, None)
            self._waiting[connection] = None

    def is_busy(self, connection: "BoundedProtocol") -> None:
        """It has a request."""
        self._waiting.pop(connection, None)

    def forget(self, connection: "BoundedProtocol") -> None:
        """It is closed."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def close(self, connection: "BoundedProtocol", reason: str) -> None:
        """Close it at once, without waiting for the peer to read what is still to be sent."""
        self.forget(connection)
        self.closed.add(reason)
        connection.transport.abort()


class BoundedParser(h11.Connection):
    """h11's parser, which does not take a body apart that comes in ever so many chunks: each costs time of its own."""

    _pieces = 0
    _bytes = 0

    def next_event(self) -> Any:
        """The next event; RemoteProtocolError when the body is not worth its chunks."""
        event = super().next_event()
        if type(event) is h11.Request:
            self._pieces = self._bytes = 0
        elif type(event) is h11.Data:
            self._pieces += 1
            self._bytes += len(event.data)
            if self._pieces > FREE_PIECES + self._bytes // BYTES_PER_PIECE:
                raise h11.RemoteProtocolError("too many chunks")
        return event


class BoundedProtocol(H11Protocol):
    """One connection, with its place in the table and a timer for the phase that it is in."""

    def __init__(self, table: ConnectionTable, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.conn = BoundedParser(h11.SERVER)
        self._table = table
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._table.opened(self)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._begin_request()

    def on_response_complete(self) -> None:
        before = self.cycle
        super().on_response_complete()
        if self.cycle is not before:  # the next request had arrived already
            self._begin_request()
        else:
            self._wait_for_head()

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._table.closed.add("not HTTP")
            super().send_400_response(msg)
        else:  # the request has its answer, or part of it, already: there is nothing to say
            self._table.close(self, "not HTTP")

    def connection_lost(self, exc: Exception | None) -> None:
        self._table.forget(self)
        self._stop_timer()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._table.waits(self)
        self._close_after(self._table.limits.head_seconds, "without a request head in time")

    def _begin_request(self) -> None:
        self._table.is_busy(self)
        self._close_after(self._table.limits.request_seconds, "in the middle of a request that took too long")

    def _close_after(self, seconds: float, reason: str) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            self._timer = self.loop.call_later(seconds, self._table.close, self, reason)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
