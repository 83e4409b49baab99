"""Dead letters out and in again as they stand in a file: `/v1/dead-letters/export` and `…/replay-edited`."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response, StreamingResponse

from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations import replays
from gong_worker.operations.dead_letters import Bulk, BulkResult
from gong_worker.operations.edited_letters import MAX_LETTERS, LetterTwice, add_edited
from gong_worker.operations.exports import ExportFormat, ExportProblem, exported
from gong_worker.operations.services import Services
from gong_worker.request_body import read_body
from gong_worker.web.answers import BulkDone, PlannedReplay, answer
from gong_worker.web.api import Api, body_of
from gong_worker.web.body import BadLine, candidates, media_type
from gong_worker.web.bulk import Replay, replay_letters, selected_letters
from gong_worker.web.document import edited_request
from gong_worker.web.keys import ApiKey, Scope
from gong_worker.web.operators import system_of
from gong_worker.web.request_log import note
from gong_worker.web.requests import EditedQuery, ExportBody, read_request


def letter_files_router(api: Api) -> APIRouter:
    """The routes."""
    router = APIRouter()
    Operator = Annotated[ApiKey, Depends(api.key(Scope.OPERATE))]

    @router.post(
        "/v1/dead-letters/export",
        operation_id="exportDeadLetters",
        response_class=StreamingResponse,
        responses=_files(api.responses(None, "The letters with their payloads.", 404, 408, 413, 415)),
        openapi_extra=body_of(ExportBody),
    )
    async def export(request: Request, key: Operator) -> StreamingResponse:
        """Dead letters with their payloads: JSON lines, to be edited for `replay-edited`, or CSV. It is audited.

        An answer that ends early, which the chunked encoding shows, goes on `after` the last letter that came.
        """
        body: ExportBody = await read_request(request, ExportBody, api.settings)
        wanted, result = selected_letters(key, body.letters), BulkResult()

        def begin(services: Services) -> tuple[Iterator[str], str]:
            texts = exported(
                services.ledger, wanted, Bulk(key.name), body.format, result, after_id=body.after
            )
            return texts, next(texts)

        texts, first = await api.operators.run(begin)

        async def stream() -> AsyncIterator[str]:
            yield first
            while (text := await api.operators.run(lambda _: next(texts, None))) is not None:
                yield text
            note(request, exported=result.done)

        return StreamingResponse(
            stream(),
            media_type=body.format.media_type,
            headers={"Content-Disposition": f'attachment; filename="dead-letters.{body.format.value}"'},
        )

    @router.post(
        "/v1/dead-letters/replay-edited",
        operation_id="replayEditedDeadLetters",
        responses=api.responses(
            PlannedReplay | BulkDone, "The cost and ten examples, or what was done.", 408, 409, 413, 415
        ),
        openapi_extra=edited_request(max_letters=MAX_LETTERS),
    )
    async def replay_edited(
        request: Request, key: Operator, query: Annotated[EditedQuery, Query()]
    ) -> Response:
        """Enqueue dead letters with these payloads, such as an edited export. With `dry_run` cost and differences.

        If one is no valid event, none is enqueued (`done` 0), unless `skip_invalid` says otherwise.
        """
        payloads = await _edited(request, api)
        asked = Replay(
            DeadLetterFilter(ids=tuple(payloads), reporting_system=system_of(key, None)),
            query.lane,
            query.dry_run,
            replays.payloads_of(payloads),
            {"file": True},
            skip_invalid=query.skip_invalid,
        )
        return answer(await api.operators.run(lambda services: replay_letters(services, key, asked)))

    return router


async def _edited(request: Request, api: Api) -> dict[int, Any]:
    """The payloads by their letters' numbers; HTTPException 400, 408, 409, 413 or 415."""
    kind, settings = media_type(request), api.settings
    body = await read_body(request, max_bytes=settings.max_body_bytes, seconds=settings.body_timeout_seconds)
    found: dict[int, Any] = {}
    for index, letter in enumerate(candidates(body, kind, max_events=MAX_LETTERS, what="letter")):
        where = f"letter {index}"
        if isinstance(letter, BadLine):
            raise HTTPException(400, f"{where} {letter}")
        try:
            add_edited(found, letter, where)
        except LetterTwice as error:
            raise HTTPException(409, str(error)) from None
        except ExportProblem as error:
            raise HTTPException(400, str(error)) from None
    return found


def _files(responses: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """The document of an answer that is a file."""
    del responses[200]["model"]
    responses[200]["content"] = {form.media_type: {"schema": {"type": "string"}} for form in ExportFormat}
    return responses
