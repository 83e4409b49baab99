"""Dead letters as a file for the browser: offered by a page, fetched once by the same session."""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from gong_worker.console.backend import Backend, problem_text
from gong_worker.console.identity import SESSION
from gong_worker.console.sessions import Session, Sessions
from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations.dead_letters import Bulk, BulkResult
from gong_worker.operations.exports import ExportFormat, exported
from gong_worker.operations.services import Services

OFFERED_SECONDS: Final = 60.0
GONE: Final = "This download is over: ask for it again on the page of the dead letters.\n"


@dataclass(frozen=True, slots=True)
class _Offer:
    session_id: str
    wanted: DeadLetterFilter
    form: ExportFormat
    until: float


class Downloads:
    """What pages have offered and nobody has fetched yet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._offers: dict[str, _Offer] = {}

    def offer(self, session: Session, wanted: DeadLetterFilter, form: ExportFormat) -> str:
        """The path at which this session finds the file, once, within a minute."""
        now = self._clock()
        self._offers = {token: one for token, one in self._offers.items() if one.until > now}
        token = secrets.token_urlsafe(32)
        self._offers[token] = _Offer(session.id, wanted, form, now + OFFERED_SECONDS)
        return f"/download/{token}"

    def take(self, session: Session, token: str) -> tuple[DeadLetterFilter, ExportFormat] | None:
        """What was offered to this session; None if nothing was, or it is over."""
        offer = self._offers.pop(token, None)
        if offer is None or offer.session_id != session.id or offer.until <= self._clock():
            return None
        return offer.wanted, offer.form


def downloads_router(downloads: Downloads, sessions: Sessions, backend: Backend) -> APIRouter:
    """The route."""
    router = APIRouter()

    @router.get("/download/{token}")
    async def download(request: Request, token: str) -> Response:
        session: Session = request.scope[SESSION]
        user, found = sessions.user_of(session), downloads.take(session, token)
        if user is None or not user.sees_payloads or found is None:
            return PlainTextResponse(GONE, 403)
        wanted, form = found

        def begin(services: Services) -> tuple[Iterator[str], str]:
            texts = exported(services.ledger, wanted, Bulk(user.name), form, BulkResult())
            return texts, next(texts)

        try:
            texts, first = await backend.run(begin)
        except Exception as error:
            if (text := problem_text(error)) is None:
                raise
            return PlainTextResponse(f"{text}\n", 503)

        async def stream() -> AsyncIterator[str]:
            yield first
            while (text := await to_thread.run_sync(lambda: next(texts, None))) is not None:
                yield text

        name = f'attachment; filename="dead-letters.{form.value}"'
        return StreamingResponse(stream(), media_type=form.media_type, headers={"Content-Disposition": name})

    return router
