"""The FastAPI application: the routes, the form of its errors, its document."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import Depends, FastAPI

from gong_views.aio import AsyncViewQueue
from gong_worker.operations.services import SharedServices
from gong_worker.web import problems
from gong_worker.web.api import Api
from gong_worker.web.auth import UNKEYED
from gong_worker.web.document import openapi_document
from gong_worker.web.events import events_router
from gong_worker.web.gate import gate_router
from gong_worker.web.health import Readiness, health_router
from gong_worker.web.letter_files import letter_files_router
from gong_worker.web.letters import letters_router
from gong_worker.web.metrics import metrics_router
from gong_worker.web.operators import Operators
from gong_worker.web.parameters import each_once
from gong_worker.web.queue import queue_router
from gong_worker.web.rate_limit import RateLimit
from gong_worker.web.request_log import RequestLog
from gong_worker.web.settings import WebSettings
from gong_worker.web.tally import Tally
from gong_worker.web.views import views_router

log = logging.getLogger(__name__)


def create_app(
    open_queue: Callable[[str], AsyncViewQueue], settings: WebSettings, services: SharedServices
) -> FastAPI:
    """The application.

    `open_queue` gives the queue for the events of one source (an API key's name), `services` what the operators' routes
    work on.
    """
    queues = {source: open_queue(source) for source in {key.name for key in settings.keys} or {UNKEYED.name}}

    limit = RateLimit(settings.requests_per_second)
    refused = Tally(log, "requests_refused", "requests refused")
    unavailable = Tally(log, "queue_unavailable", "the queue is unavailable")
    api = Api(settings, limit, Operators(services))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for queue in queues.values():
            await queue.close()
        refused.close()
        unavailable.close()
        api.operators.close()

    app = FastAPI(
        title="gong-views",
        version=version("gong-views"),
        description="Hand over content-view events for delivery to Gong; see what became of them, and put it right.",
        docs_url=None,
        redoc_url=None,
        # A redirect would name the host that the request's Host header names.
        redirect_slashes=False,
        lifespan=lifespan,
        # Its own spans and records would hold peers' addresses and what was wrong in a body. An older FastAPI has none.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.add_middleware(RequestLog, refused=refused)
    problems.install(app)
    app.include_router(views_router(queues, settings, limit, unavailable))
    for routes in (
        events_router,
        letters_router,
        letter_files_router,
        queue_router,
        gate_router,
        metrics_router,
    ):
        app.include_router(routes(api), dependencies=[Depends(each_once)])
    app.include_router(health_router(Readiness(next(iter(queues.values())), unavailable)))
    document = openapi_document(app)
    app.openapi = lambda: document  # type: ignore[method-assign]
    return app
