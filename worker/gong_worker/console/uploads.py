"""Files that a page takes from its browser: sent once, by the same session, within limits, and kept in memory alone."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse, Response
from nicegui import ui
from nicegui.element import Element

from gong_worker.body_settings import BodySettings
from gong_worker.console.errors import InputProblem
from gong_worker.console.identity import SESSION
from gong_worker.console.sessions import Session, Sessions
from gong_worker.request_body import read_body

EXPECTED_SECONDS: Final = 60.0
GONE: Final = "The file is not expected (any more): choose it again on the page of the dead letters.\n"
# What the browser may take beyond the time in which the file has to arrive.
GRACE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Expected:
    session_id: str
    sent: asyncio.Future[bytearray]
    until: float


class Uploads:
    """What pages expect and no browser has sent yet."""

    def __init__(self, limits: BodySettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._expected: dict[str, _Expected] = {}

    def expect(self, session: Session) -> tuple[str, asyncio.Future[bytearray]]:
        """The path to which this session may send one file, once, within a minute; and what then holds it."""
        now = self._clock()
        self._expected = {token: one for token, one in self._expected.items() if one.until > now}
        token = secrets.token_urlsafe(32)
        sent: asyncio.Future[bytearray] = asyncio.get_running_loop().create_future()
        self._expected[token] = _Expected(session.id, sent, now + EXPECTED_SECONDS)
        return f"/upload/{token}", sent

    def claim(self, session: Session, token: str) -> asyncio.Future[bytearray] | None:
        """Where to put the file that this session sends; None if none is expected of it, or it is over."""
        expected = self._expected.get(token)
        if expected is None or expected.session_id != session.id or expected.until <= self._clock():
            return None
        del self._expected[token]
        return expected.sent


async def receive(
    field: Element, path: str, sent: asyncio.Future[bytearray], limits: BodySettings
) -> bytearray:
    """The file that is chosen in a field, sent by the page's browser. Raises InputProblem, which says what to do."""
    call = f"gongViewsUpload(getHtmlElement({field.id}), {json.dumps(path)}, {limits.max_body_bytes})"
    try:
        problem = await ui.run_javascript(call, timeout=limits.body_timeout_seconds + GRACE_SECONDS)
    except TimeoutError:
        problem = ""
    if problem or not sent.done():
        raise InputProblem(str(problem or "the file did not arrive: try again"))
    return sent.result()


def uploads_router(uploads: Uploads, sessions: Sessions) -> APIRouter:
    """The route."""
    router = APIRouter()

    @router.post("/upload/{token}")
    async def upload(request: Request, token: str) -> Response:
        session: Session = request.scope[SESSION]
        user = sessions.user_of(session)
        sent = uploads.claim(session, token) if user is not None and user.operates else None
        if sent is None:
            return PlainTextResponse(GONE, 403)
        limits = uploads.limits
        try:
            body = await read_body(
                request, max_bytes=limits.max_body_bytes, seconds=limits.body_timeout_seconds
            )
        except HTTPException as error:
            return PlainTextResponse(f"{error.detail}\n", error.status_code)
        if not sent.done():
            sent.set_result(body)
        return Response(status_code=204)

    return router
