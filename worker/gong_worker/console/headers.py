"""The headers that tell a browser what our pages may do, which is as little as NiceGUI works with."""

import secrets
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# NiceGUI's pages start with inline scripts, which get a nonce; Vue compiles templates in the browser and NiceGUI
# evaluates what its server sends (unsafe-eval); components and the page itself bring inline styles.
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-eval' $nonce; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
STRICT: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_SCRIPT: Final = b"<script"


class SecurityHeaders:
    """ASGI middleware: the headers on every answer; a nonce on the inline scripts of NiceGUI's pages."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        parts: list[bytes] = []

        async def sending(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                if headers.get("x-nicegui-content") == "page":
                    start = message  # its policy follows with its body
                    return
                headers["Content-Security-Policy"] = STRICT
            elif start is not None:
                parts.append(message.get("body", b""))
                if message.get("more_body", False):
                    return
                message = await _with_nonce(start, b"".join(parts), send)
            await send(message)

        await self._app(scope, receive, sending)


async def _with_nonce(start: Message, body: bytes, send: Send) -> Message:
    """Send the head, and give the body with a nonce on every script.

    NiceGUI escapes each `<` of the page's data, so that only its own scripts are found.
    """
    nonce = secrets.token_urlsafe(16)
    body = body.replace(_SCRIPT, f'<script nonce="{nonce}"'.encode())
    headers = MutableHeaders(scope=start)
    headers["Content-Security-Policy"] = POLICY.replace("$nonce", f"'nonce-{nonce}'")
    headers["Content-Length"] = str(len(body))
    await send(start)
    return {"type": "http.response.body", "body": body, "more_body": False}
