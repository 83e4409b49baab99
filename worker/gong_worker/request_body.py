"""The body of a request, read within limits: what the HTTP API and the console share."""

from typing import NoReturn

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request


async def read_body(request: Request, *, max_bytes: int, seconds: float) -> bytearray:
    """The whole body, of a declared length or chunked; HTTPException 413, or 408 when it does not come."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > max_bytes:
        _too_long(max_bytes)
    body = bytearray()
    try:
        with anyio.fail_after(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    _too_long(max_bytes)
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {seconds:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the body ended early") from None
    return body


def _too_long(max_bytes: int) -> NoReturn:
    raise HTTPException(413, f"the body is longer than {max_bytes} bytes: send it in parts")
