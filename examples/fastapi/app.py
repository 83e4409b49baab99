from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException

from gong_views import AsyncViewQueue, InvalidViewEvent, QueueUnavailable

queue = AsyncViewQueue(source="content-hub")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with queue:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/views", status_code=202)
async def viewed(event: dict[str, Any]) -> dict[str, str]:
    try:
        receipt = await queue.enqueue(event)
    except InvalidViewEvent as error:
        raise HTTPException(422, error.errors) from None
    except QueueUnavailable as error:
        raise HTTPException(503, str(error), {"Retry-After": "5"}) from None
    return {"eventId": receipt.event_id}
