"""The console's application: NiceGUI's pages inside a FastAPI application that knows who asks."""

import logging
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from nicegui import app as pages_app
from nicegui import ui
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse

from gong_worker.console.downloads import downloads_router
from gong_worker.console.frame import Console
from gong_worker.console.headers import SecurityHeaders
from gong_worker.console.identity import Identity, Peer
from gong_worker.console.login import login_router
from gong_worker.console.origin import SameOrigin
from gong_worker.console.pages import audit, dead_letters, events, gate, overview
from gong_worker.console.settings import ConsoleSettings
from gong_worker.console.uploads import uploads_router

STATIC: Final = Path(__file__).parent / "static"
# How long a page may be cut off, or too busy to answer, before it has to load anew.
RECONNECT_SECONDS: Final = 30.0


def create_app(console: Console, settings: ConsoleSettings) -> FastAPI:
    """The application. NiceGUI has one set of pages a process, so there can be one console in it."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/session")
    async def session() -> dict[str, str]:
        # Without a session it is a redirect to the login: how a page that lost its connection finds out.
        return {"status": "alive"}

    @app.get("/static/{name}")
    async def static(name: str) -> FileResponse:
        return FileResponse(STATIC / ("console.js" if name == "console.js" else "console.css"))

    app.include_router(login_router(console.sessions))
    app.include_router(downloads_router(console.downloads, console.sessions, console.backend))
    app.include_router(uploads_router(console.uploads, console.sessions))
    for page in (overview, dead_letters, events, gate, audit):
        page.add(console)
    # What the browser reports of itself, and tracebacks with the texts of exceptions, which may quote a payload.
    logging.getLogger("nicegui").setLevel(logging.CRITICAL)
    pages_app.config.socket_io_js_transports = ["websocket"]
    pages_app.config.quasar_config["loadingBar"] = {"skipHijack": True}  # no bar at each request of a page
    ui.add_head_html(
        '<link rel="stylesheet" href="/static/console.css"><script src="/static/console.js"></script>',
        shared=True,
    )
    ui.run_with(
        app,
        title="gong-views",
        dark=None,
        language="en-US",
        tailwind=False,
        binding_refresh_interval=None,
        reconnect_timeout=RECONNECT_SECONDS,
        show_welcome_message=False,
        gzip_middleware_factory=None,
    )
    # The last one added is the first one asked.
    app.add_middleware(Identity, sessions=console.sessions, settings=settings)
    app.add_middleware(SameOrigin, sessions=console.sessions)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(GZipMiddleware)
    app.add_middleware(Peer, settings=settings)
    return app
