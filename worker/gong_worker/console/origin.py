"""Requests that another site makes a browser send: refused, whatever cookie they carry. Websockets too."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gong_worker.console.sessions import Sessions

_SAFE: Final = ("GET", "HEAD")
_FOREIGN: Final = ("cross-site", "same-site")
REFUSED: Final = (
    "Refused: the request comes from another site. A proxy must pass the Host header on unchanged.\n"
)
NOT_LOCAL: Final = "Refused: without users the console answers on localhost only.\n"


class SameOrigin:
    """ASGI middleware. A page may be opened from anywhere; only our own pages may post or open the websocket."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app, self._sessions = app, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._sessions.open_to_all and not _is_local(headers.get("host", "")):
            # A name that somebody else's DNS points to this machine.
            await refuse(scope, receive, send, 403, NOT_LOCAL)
        elif not _is_ours(scope, headers):
            await refuse(scope, receive, send, 403, REFUSED)
        else:
            await self._app(scope, receive, send)


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, text: str) -> None:
    """Answer a request with an error, or turn a websocket away before it opens."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
    else:
        await PlainTextResponse(text, status)(scope, receive, send)


def _is_ours(scope: Scope, headers: Headers) -> bool:
    socket = scope["type"] == "websocket" or scope["path"].startswith("/_nicegui_ws")
    if not socket and scope["method"] in _SAFE:
        return True
    if headers.get("sec-fetch-site") in _FOREIGN:
        return False
    # Browsers tell the origin with a POST and a websocket. The proxy may have ended TLS, so that the scheme is
    # not compared.
    return urlsplit(headers.get("origin", "")).netloc.lower() == headers.get("host", "").lower() != ""


def _is_local(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname
    if name == "localhost":
        return True
    try:
        return ip_address(name or "").is_loopback
    except ValueError:
        return False
