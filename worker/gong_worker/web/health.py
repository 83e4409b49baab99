"""`/healthz` and `/readyz`."""

import asyncio
import time
from typing import Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from gong_views.aio import AsyncViewQueue
from gong_views.errors import QueueUnavailable
from gong_worker.web.document import UNAVAILABLE_RESPONSE
from gong_worker.web.models import Health
from gong_worker.web.problems import problem
from gong_worker.web.tally import Tally
from gong_worker.web.views import RETRY_AFTER, UNAVAILABLE

PROBE_SECONDS: Final = 1.0
"""How long the answer of a probe stands."""


class Readiness:
    """Whether the queue takes writes: one probe at a time, shared by all who ask, and reused for a second."""

    def __init__(self, queue: AsyncViewQueue, unavailable: Tally) -> None:
        self._queue, self._unavailable = queue, unavailable
        self._probe: asyncio.Task[QueueUnavailable | None] | None = None
        self._ended_at = 0.0

    async def problem(self) -> QueueUnavailable | None:
        """Why the queue takes nothing; None when it does."""
        fresh = time.monotonic() - self._ended_at < PROBE_SECONDS
        if self._probe is None or (self._probe.done() and not fresh):
            self._probe = asyncio.create_task(self._ask())
        return await asyncio.shield(self._probe)

    async def _ask(self) -> QueueUnavailable | None:
        try:
            await self._queue.ping()
        except QueueUnavailable as error:
            self._unavailable.add(str(error))
            return error
        finally:
            self._ended_at = time.monotonic()
        return None


def health_router(readiness: Readiness) -> APIRouter:
    """The routes for whoever watches the process; they ask for no key."""
    router = APIRouter()

    @router.get("/healthz", operation_id="health")
    async def healthz() -> Health:
        """The process is alive."""
        return Health(status="alive")

    @router.get(
        "/readyz",
        operation_id="ready",
        responses={
            200: {"model": Health, "description": "The queue takes events."},
            503: UNAVAILABLE_RESPONSE,
        },
    )
    async def readyz() -> JSONResponse:
        """The queue takes writes."""
        if await readiness.problem() is not None:
            return problem(503, UNAVAILABLE, RETRY_AFTER)
        return JSONResponse(Health(status="ready").model_dump())

    return router
