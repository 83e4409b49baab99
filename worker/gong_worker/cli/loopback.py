"""Listening on this machine for the browser that comes back from an approval (RFC 8252)."""

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer

_PAGE = b"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>gong-views</title></head>
<body><p>Back to the terminal: it says what came of it. This page can be closed.</p></body></html>"""


def wait_for_redirect(
    port: int, listening: Callable[[], None], *, meant: Callable[[str], bool], seconds: float
) -> str | None:
    """The address that the browser was sent to, on 127.0.0.1; None when none came. OSError if the port is taken.

    One that is not `meant` for this login, as any page can open it, is refused and does not end the wait. `listening`
    is called once it can come.
    """
    found: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            status = 404
            if self.path.startswith("/callback?"):
                status = 200 if meant(self.path) else 400
            if status == 200:
                found.append(self.path)
            body = _PAGE if status == 200 else b""
            self.send_response(status)
            for name, value in (
                ("Content-Type", "text/html"),
                ("Content-Length", str(len(body))),
                ("Cache-Control", "no-store"),
                ("Referrer-Policy", "no-referrer"),
                ("Content-Security-Policy", "default-src 'none'"),
                ("Connection", "close"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the address holds the code."""

    with HTTPServer(("127.0.0.1", port), Handler) as server:
        listening()
        deadline = time.monotonic() + seconds
        while not found and (left := deadline - time.monotonic()) > 0:
            server.timeout = left
            server.handle_request()
    return found[0] if found else None
