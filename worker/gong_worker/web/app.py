"""The FastAPI application: `POST /v1/views`, `/healthz`, `/readyz`."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from gong_views.errors import QueueUnavailable
from gong_views.names import Lane
from gong_views.queue import ViewQueue
from gong_worker.web.answers import Health, Problem, Result, Unavailable
from gong_worker.web.body import candidates, media_type, read_body
from gong_worker.web.document import (
    KEY_RESPONSE,
    READY_RESPONSES,
    VIEWS_RESPONSES,
    openapi_document,
    views_request,
)
from gong_worker.web.intake import take_in
from gong_worker.web.keys import ApiKey, holder
from gong_worker.web.settings import WebSettings

log = logging.getLogger(__name__)

RETRY_AFTER = {"Retry-After": "5"}
UNAVAILABLE = "the queue is unavailable"
UNAVAILABLE_IN_PART = (
    f"{UNAVAILABLE}: send the events again that accepted does not list; any repeat is harmless"
)
UNKEYED_SOURCE = "http"  # how the ledger names producers when no keys are set


def create_app(open_queue: Callable[[str], ViewQueue], settings: WebSettings) -> FastAPI:
    """The application; `open_queue` gives the queue for the events of one source (an API key's name)."""
    keys = settings.keys
    queues = {source: open_queue(source) for source in {key.name for key in keys} or {UNKEYED_SOURCE}}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for queue in queues.values():
            queue.close()

    app = FastAPI(
        title="gong-views",
        version=version("gong-views"),
        description="Hand over content-view events for delivery to Gong.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers={HTTPException: _problem, Exception: _failure},
    )

    @app.post(
        "/v1/views",
        status_code=202,
        operation_id="enqueueViews",
        responses={**VIEWS_RESPONSES, **(KEY_RESPONSE if keys else {})},
        openapi_extra=views_request(max_batch_events=settings.max_batch_events, keyed=bool(keys)),
    )
    async def enqueue_views(request: Request) -> JSONResponse:
        """Put events on the queue: one event, an array of events, or one event a line (NDJSON)."""
        source = _source(request, keys)
        lane = _lane(request)
        kind = media_type(request)
        body = await read_body(
            request, max_bytes=settings.max_body_bytes, seconds=settings.body_timeout_seconds
        )

        def work() -> JSONResponse:
            found = candidates(body, kind, max_events=settings.max_batch_events)
            intake = take_in(found, queues[source], lane)
            if intake.unavailable is not None:
                _tell(intake.unavailable)
                answer = Unavailable(
                    accepted=intake.accepted, rejected=intake.rejected, error=UNAVAILABLE_IN_PART
                )
                return _json(503, answer, RETRY_AFTER)
            result = Result(accepted=intake.accepted, rejected=intake.rejected)
            return _json(202 if intake.accepted else 422, result)

        return await anyio.to_thread.run_sync(work)

    @app.get("/healthz", operation_id="health")
    async def healthz() -> Health:
        """The process is alive."""
        return Health(status="alive")

    @app.get("/readyz", operation_id="ready", responses=READY_RESPONSES)
    async def readyz() -> JSONResponse:
        """The queue answers."""
        try:
            await anyio.to_thread.run_sync(next(iter(queues.values())).ping)
        except QueueUnavailable as error:
            _tell(error)
            return _json(503, Problem(error=UNAVAILABLE), RETRY_AFTER)
        return _json(200, Health(status="ready"))

    document = openapi_document(app, keyed=bool(keys))
    app.openapi = lambda: document  # type: ignore[method-assign]
    return app


def _source(request: Request, keys: tuple[ApiKey, ...]) -> str:
    """Whose key it is; HTTPException 401."""
    if not keys:
        return UNKEYED_SOURCE
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    name = holder(keys, given)
    if name is None:
        raise HTTPException(
            401,
            "send a valid API key, as Authorization: Bearer KEY or as X-API-Key: KEY",
            {"WWW-Authenticate": "Bearer"},
        )
    return name


def _lane(request: Request) -> Lane:
    query = request.query_params.multi_items()
    if any(name != "lane" for name, _ in query) or len(query) > 1:
        raise HTTPException(400, "the one query parameter is lane, given once")
    try:
        return Lane(query[0][1]) if query else Lane.LIVE
    except ValueError:
        raise HTTPException(400, "lane is live or bulk") from None


def _tell(error: QueueUnavailable) -> None:
    """Where Redis is and what ails it is for our log, not for whoever sends events."""
    log.warning("%s", error, extra={"action": "queue_unavailable"})


def _json(status: int, answer: BaseModel, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(answer.model_dump(), status, headers)


async def _problem(_: Request, error: Any) -> JSONResponse:
    return _json(error.status_code, Problem(error=str(error.detail)), error.headers)


async def _failure(_: Request, __: Exception) -> JSONResponse:
    return _json(500, Problem(error="an error of the server; its log says more"))
