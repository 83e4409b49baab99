"""Who sends a request, as FastAPI dependencies, so that the OpenAPI document says how to send a key."""

import math
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import HTTPException, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from gong_worker.web.keys import ApiKey, Scope, find
from gong_worker.web.rate_limit import RateLimit
from gong_worker.web.request_log import note

#: Stands for whoever is on this machine when no keys are set. A change needs a key: the audit wants a name.
UNKEYED: Final = ApiKey("http", b"", frozenset({Scope.INGEST, Scope.READ}))
_NO_KEYS: Final = "this needs an API key: set GONG_VIEWS_API_KEYS with one of the scope operate"
_BEARER: Final = HTTPBearer(scheme_name="bearer", auto_error=False)
_HEADER: Final = APIKeyHeader(name="X-API-Key", scheme_name="apiKey", auto_error=False)


def caller(keys: tuple[ApiKey, ...], scope: Scope, limit: RateLimit) -> Callable[..., Awaitable[ApiKey]]:
    """A dependency: the key of the request.

    HTTPException 401 without a valid one, 403 without the scope, 429 over the key's rate.
    """

    def admit(request: Request, key: ApiKey) -> ApiKey:
        note(request, key=key.name)
        if scope not in key.scopes:
            raise HTTPException(
                403, _NO_KEYS if key is UNKEYED else f"this API key has not the scope {scope.value}"
            )
        if (wait := limit.wait_seconds(key.name)) > 0:
            seconds = math.ceil(wait)
            raise HTTPException(
                429, f"too many requests of this key: wait {seconds} s", {"Retry-After": str(seconds)}
            )
        return key

    if not keys:

        async def anybody(request: Request) -> ApiKey:
            return admit(request, UNKEYED)

        return anybody

    async def holder(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
        header: Annotated[str | None, Security(_HEADER)],
    ) -> ApiKey:
        key = find(keys, bearer.credentials.strip() if bearer is not None else header or "")
        if key is None:
            raise HTTPException(
                401,
                "send a valid API key, as Authorization: Bearer KEY or as X-API-Key: KEY",
                {"WWW-Authenticate": "Bearer"},
            )
        return admit(request, key)

    return holder
