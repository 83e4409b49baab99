"""`POST /v1/views`: events in, what became of each out."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from gong_views.aio import AsyncViewQueue
from gong_views.names import Lane
from gong_views.trace_context import TraceContext
from gong_views.tracing import calling_trace
from gong_worker.request_body import read_body
from gong_worker.web.auth import caller
from gong_worker.web.body import candidates, media_type
from gong_worker.web.document import UNAVAILABLE_RESPONSE, problems, views_request
from gong_worker.web.enqueue import Checked, Enqueuer, check
from gong_worker.web.keys import ApiKey, Scope
from gong_worker.web.models import EnqueueResult, QueueUnavailableProblem
from gong_worker.web.parameters import Parameters, each_once
from gong_worker.web.problems import problem
from gong_worker.web.rate_limit import BYTES_PER_TOKEN, RateLimit
from gong_worker.web.request_log import note
from gong_worker.web.settings import WebSettings
from gong_worker.web.tally import Tally

RETRY_AFTER: Final = {"Retry-After": "5"}
UNAVAILABLE: Final = "the queue is unavailable"
UNAVAILABLE_IN_PART: Final = (
    f"{UNAVAILABLE}: send the events again that accepted does not list; any repeat is harmless"
)
ENQUEUES_AT_ONCE: Final = 32
GRACE_SECONDS: Final = 0.3
"""Past the queue's own timeout, whose error says more."""
READERS: Final = 2
BUSY: Final = "too many long requests at once: send this one again"
READ_INLINE_BYTES: Final = 16_384
"""A body that is read faster than a thread is woken."""


class ViewsQuery(Parameters):
    """The query of `POST /v1/views`."""

    lane: Lane = Field(Lane.LIVE, description="live goes first; bulk is for backfills")


def views_router(
    queues: Mapping[str, AsyncViewQueue], settings: WebSettings, limit: RateLimit, unavailable: Tally
) -> APIRouter:
    """The route; `queues` by the name of the key, `unavailable` counts what Redis did not take."""
    router = APIRouter(dependencies=[Depends(each_once)])
    enqueuer = Enqueuer(ENQUEUES_AT_ONCE)

    readers = asyncio.Semaphore(READERS)

    async def _in_turn(read: Callable[[], Checked]) -> Checked:
        """Read a long body in a thread, a few at a time, which bounds their memory as well."""
        try:
            async with asyncio.timeout(settings.enqueue_timeout_seconds):
                await readers.acquire()
        except TimeoutError:
            raise HTTPException(503, BUSY, RETRY_AFTER) from None
        try:
            return await anyio.to_thread.run_sync(read)
        finally:
            readers.release()

    @router.post(
        "/v1/views",
        status_code=202,
        operation_id="enqueueViews",
        responses={
            202: {"model": EnqueueResult, "description": "The queue has what `accepted` lists."},
            422: {"model": EnqueueResult, "description": "Every event was rejected."},
            **problems(400, 408, 413, 415, 429, keyed=bool(settings.keys)),
            503: {**UNAVAILABLE_RESPONSE, "model": QueueUnavailableProblem},
        },
        openapi_extra=views_request(max_batch_events=settings.max_batch_events),
    )
    async def enqueue_views(
        request: Request,
        key: Annotated[ApiKey, Depends(caller(settings.keys, Scope.INGEST, limit))],
        query: Annotated[ViewsQuery, Query()],
    ) -> JSONResponse:
        """Put events on the queue: one event, an array of events, or one event a line (NDJSON)."""
        kind = media_type(request)
        body = await read_body(
            request, max_bytes=settings.max_body_bytes, seconds=settings.body_timeout_seconds
        )
        limit.charge(key.name, len(body) / BYTES_PER_TOKEN)

        def read() -> Checked:
            return check(candidates(body, kind, max_events=settings.max_batch_events), key)

        checked = read() if len(body) <= READ_INLINE_BYTES else await _in_turn(read)
        calling_trace.set(TraceContext.read(request.headers))
        deadline = asyncio.get_running_loop().time() + settings.enqueue_timeout_seconds + GRACE_SECONDS
        result = await enqueuer.enqueue(checked, queues[key.name], query.lane, deadline=deadline)
        note(request, bytes=len(body), accepted=len(result.accepted), rejected=len(result.rejected))
        if result.unavailable is not None:
            unavailable.add(str(result.unavailable))
            return problem(
                503, UNAVAILABLE_IN_PART, RETRY_AFTER, model=QueueUnavailableProblem,
                accepted=result.accepted, rejected=result.rejected,
            )  # fmt: skip
        answer = EnqueueResult(accepted=result.accepted, rejected=result.rejected)
        return _json(202 if result.accepted else 422, answer)

    return router


def _json(status: int, answer: BaseModel) -> JSONResponse:
    data: dict[str, Any] = answer.model_dump()
    return JSONResponse(data, status)
