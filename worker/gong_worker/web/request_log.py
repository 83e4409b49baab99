"""One log line a request of a key, and a count a second of those that were refused before any work was done.

A line holds the key's name, the route, the status, counts and the duration: nothing of an event, no address, no
path that was sent.
"""

import logging
import time
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gong_worker.web.tally import Tally

log = logging.getLogger(__name__)

QUIET_ROUTES: Final = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
"""Asked every few seconds by whoever watches the process: not logged when all is well."""
_FIELDS: Final = "log_fields"


def note(request: Request, **fields: object) -> None:
    """Add fields to the request's line; `key` makes it a line of its own."""
    request.scope.setdefault("state", {}).setdefault(_FIELDS, {}).update(fields)


class RequestLog:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, refused: Tally) -> None:
        self._app, self._refused = app, refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 500  # what is answered when the application raises

        async def remember(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, remember)
        finally:
            self._tell(scope, status, time.monotonic() - began)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None)
        fields = dict(scope.get("state", {}).get(_FIELDS, {}))
        key = fields.get("key")
        if key is None or status == 429:
            if 400 <= status < 500:
                self._refused.add(f"{status}" + (f" for {key}" if key is not None else ""))
            return
        if route in QUIET_ROUTES and status < 400:
            return
        log.info(
            "request",
            extra={
                "action": "http_request",
                "method": scope["method"],
                "route": route,
                "status": status,
                **fields,
                "duration_ms": round(seconds * 1000),
            },
        )
