"""Strikes on the HTTP intake."""

from __future__ import annotations

import resource
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx

from tests.soak.strikes.kind import strike
from tests.support.views import view

if TYPE_CHECKING:
    from tests.soak.schedule import Strike
    from tests.soak.world import World

CONNECTIONS = 1_200
# Beside everything else that runs; alone it is under a second (tests/web/test_connections.py).
ANSWER_SECONDS = 6.0


@strike("parts", 1, 1.0, 4.0)
def flood_the_intake(world: World, it: Strike) -> None:
    """1,200 connections from this machine that finish no request; one that does is answered all the same."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    address = httpx.URL(world.producers.intake_url)
    event = view(it.choice, eventId=f"flood-{it.at}")
    with ExitStack() as stack:
        for number in range(CONNECTIONS):
            there = (address.host, address.port or 0)
            connection = stack.enter_context(socket.create_connection(there, timeout=10))
            connection.sendall(b"POST /v1/views HTTP/1.1\r\nX-Slow: " if number % 2 else b"")
        client = stack.enter_context(httpx.Client(trust_env=False, timeout=30))

        def post(wire: dict[str, object], lane: str) -> str:
            began = time.monotonic()
            try:
                return world.producers.post(client, wire, lane)
            finally:
                took = time.monotonic() - began
                assert took < ANSWER_SECONDS, (
                    f"an answer beside {CONNECTIONS} idle connections took {took:.1f} s"
                )

        world.producers.put(post, event, "live")
        world.wait(it.seconds)
