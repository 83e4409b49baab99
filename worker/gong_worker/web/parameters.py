"""Query parameters: none unknown, none given twice, so that a misspelt one is never ignored."""

from collections import Counter

from fastapi import HTTPException, Request
from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """The base of every route's query."""

    model_config = ConfigDict(extra="forbid")


async def each_once(request: Request) -> None:
    """HTTPException 400 for a parameter that is given twice, of which FastAPI would take the last."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if any(count > 1 for count in counts.values()):
        raise HTTPException(400, "a query parameter is given twice")
