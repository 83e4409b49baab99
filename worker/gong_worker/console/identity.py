"""Who sends a request: the session of its cookie or of a trusted proxy. Without one there is only the login page.

A websocket is looked at with each message that comes or goes, so that an ended session ends it at once.
"""

from typing import Final

from nicegui import Client
from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gong_worker.console.origin import refuse
from gong_worker.console.sessions import Session, Sessions
from gong_worker.console.settings import ConsoleSettings

LOGIN_PATH: Final = "/login"
PUBLIC: Final = (LOGIN_PATH, "/static/console.css", "/healthz")
SESSION: Final = "console_session"
_PEER: Final = "console_peer"
ENDED: Final = 4401
# How a socket.io frame begins that tells of a click or a key; others are heartbeats and acknowledgements.
_EVENT: Final = '42["event"'
UNKNOWN_USER: Final = (
    "Refused: the proxy names no user of this console. Add one: gong-views console-user add NAME "
    "--role viewer --without-password\n"
)


def cookie_name(scope: Scope) -> str:
    """The session cookie; over https its name keeps it to this host, and to https."""
    return "__Host-gong-views-console" if scope["scheme"] in ("https", "wss") else "gong-views-console"


class Peer:
    """ASGI middleware, the outermost: keeps the address that connected before a proxy's headers replace it."""

    def __init__(self, app: ASGIApp, settings: ConsoleSettings) -> None:
        trusted = [str(network) for network in settings.proxies]
        self._app = ProxyHeadersMiddleware(app, trusted) if trusted else app  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope[_PEER] = scope["client"][0] if scope.get("client") else ""
        await self._app(scope, receive, send)  # type: ignore[arg-type]


class Identity:
    """ASGI middleware: finds the session, or sends the user to the login page."""

    def __init__(self, app: ASGIApp, sessions: Sessions, settings: ConsoleSettings) -> None:
        self._app, self._sessions, self._settings = app, sessions, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        session = scope[SESSION] = self._session(scope)
        if scope["type"] == "websocket":
            if session is None or not _owns_page(scope, session):
                await refuse(scope, receive, send, 403, "")
            else:
                await self._watched(scope, receive, send, session)
        elif session is None and scope["path"] not in PUBLIC:
            if self._settings.trust_header is not None:
                await refuse(scope, receive, send, 403, UNKNOWN_USER)
            else:
                await RedirectResponse(LOGIN_PATH, 303)(scope, receive, send)
        else:
            if session is not None and not scope["path"].startswith("/_nicegui"):
                self._sessions.touch(session)
            await self._app(scope, receive, send)

    def _session(self, scope: Scope) -> Session | None:
        if self._sessions.open_to_all:
            return self._sessions.of_nobody()
        headers = Headers(scope=scope)
        if (header := self._settings.trust_header) is not None:
            names = headers.getlist(header)
            trusted = len(names) == 1 and self._settings.is_proxy(scope[_PEER])
            return self._sessions.of_proxy(names[0]) if trusted else None
        cookie = cookie_parser(headers.get("cookie", "")).get(cookie_name(scope))
        return None if cookie is None else self._sessions.of_cookie(cookie)

    async def _watched(self, scope: Scope, receive: Receive, send: Send, session: Session) -> None:
        closed = False

        async def ended() -> bool:
            nonlocal closed
            if not closed and self._sessions.user_of(session) is None:
                closed = True
                await send({"type": "websocket.close", "code": ENDED, "reason": "the session has ended"})
            return closed

        async def receiving() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                if await ended():
                    return {"type": "websocket.disconnect", "code": ENDED}
                if (message.get("text") or "").startswith(_EVENT):
                    self._sessions.touch(session)
            return message

        async def sending(message: Message) -> None:
            if message["type"] != "websocket.send" or not await ended():
                await send(message)

        await self._app(scope, receiving, sending)


def _owns_page(scope: Scope, session: Session) -> bool:
    """Whether the page that the websocket is for was served to the same session."""
    client = Client.instances.get(QueryParams(scope["query_string"]).get("client_id", ""))
    if client is None:
        return True  # gone: the page finds that out from NiceGUI and loads anew
    owner = client.request.scope.get(SESSION)
    return owner is not None and owner.id == session.id
