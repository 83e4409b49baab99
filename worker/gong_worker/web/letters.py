"""`/v1/dead-letters` and `/v1/replays`."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response

from gong_worker.domain.edits import Edit
from gong_worker.domain.ids import MAX_ID
from gong_worker.ledger import DeadLetter, DeadLetterFilter, DeadLetterPage, DeadLetterSummary
from gong_worker.operations import dead_letters as letters
from gong_worker.operations import replays
from gong_worker.operations.dead_letters import Groups
from gong_worker.operations.services import Services
from gong_worker.web.answers import (
    BulkDone,
    PlannedDiscard,
    PlannedReplay,
    Replays,
    answer,
    bulk_done,
)
from gong_worker.web.api import Api, body_of
from gong_worker.web.bulk import Replay, replay_letters, run_bulk, selected_letters
from gong_worker.web.keys import ApiKey, Scope
from gong_worker.web.operators import of_the_company, system_of
from gong_worker.web.requests import (
    ByIds,
    CancelBody,
    DiscardBody,
    EditBody,
    GroupsQuery,
    LetterConditions,
    LetterQuery,
    LettersQuery,
    ReplayBody,
    read_request,
)

# A search in the letters themselves; a page takes less than 0.3 s.
SEARCH_SECONDS = 0.15
NOT_THE_PAYLOAD = "this API key has not the scope operate, without which no payload is shown or searched"


def letters_router(api: Api) -> APIRouter:
    """The routes."""
    router = APIRouter()
    Reader = Annotated[ApiKey, Depends(api.key(Scope.READ))]
    Operator = Annotated[ApiKey, Depends(api.key(Scope.OPERATE))]

    @router.get(
        "/v1/dead-letters",
        operation_id="listDeadLetters",
        responses=api.responses(
            DeadLetterPage, "A page of dead letters, oldest first, without payloads.", 404
        ),
    )
    async def list_letters(key: Reader, query: Annotated[LettersQuery, Query()]) -> Response:
        """Dead letters. `errors`, Gong's words, may quote the event: empty without the scope `operate`.

        A search for a text or a content id reads the letters for 0.15 s a page: one that is not full, or empty, may
        have a `next`, and no `total`. 404, here and wherever a filter is taken: no letter of any state is of the group.
        """
        wanted = _filter(key, query)
        page = await api.operators.run(
            lambda services: letters.list_dead_letters(
                services.ledger,
                wanted,
                limit=query.limit,
                after_id=query.after,
                errors=_may_see(key),
                seconds=SEARCH_SECONDS,
            )
        )
        return answer(page)

    @router.get(
        "/v1/dead-letters/groups",
        operation_id="groupDeadLetters",
        responses=api.responses(Groups, "The largest group first.", 404),
    )
    async def group_letters(key: Reader, query: Annotated[GroupsQuery, Query()]) -> Response:
        """Dead letters that failed alike: Gong's words without ids and values."""
        wanted = _filter(key, query)
        return answer(
            await api.operators.run(lambda services: letters.group_dead_letters(services.ledger, wanted))
        )

    @router.get(
        "/v1/dead-letters/{id:int}",
        operation_id="getDeadLetter",
        responses=api.responses(DeadLetterSummary | DeadLetter, "The dead letter.", 404),
    )
    async def get_letter(
        key: Reader,
        letter_id: Annotated[int, Path(alias="id", ge=1, le=MAX_ID)],
        query: Annotated[LetterQuery, Query()],
    ) -> Response:
        """One dead letter. With `payload=true` the event and Gong's words, too, which the audit notes."""
        if query.payload and not _may_see(key):
            raise HTTPException(403, NOT_THE_PAYLOAD)

        def show(services: Services) -> DeadLetterSummary | DeadLetter:
            found = letters.summarize_dead_letter(services.ledger, letter_id, errors=_may_see(key))
            if found.reporting_system is None or not key.may_use(found.reporting_system):
                of_the_company(key)
            if not query.payload:
                return found
            return letters.show_dead_letter(services.ledger, letter_id, by=key.name)

        return answer(await api.operators.run(show))

    @router.post(
        "/v1/dead-letters/replay",
        operation_id="replayDeadLetters",
        responses=api.responses(PlannedReplay | BulkDone, "The cost, or what was done.", 404, 408, 413, 415),
        openapi_extra=body_of(ReplayBody),
    )
    async def replay(request: Request, key: Operator) -> Response:
        """Enqueue dead letters again. With `dry_run` only the cost. Repeating it is harmless."""
        body: ReplayBody = await read_request(request, ReplayBody, api.settings)
        work = Replay(selected_letters(key, body.letters), body.lane, body.dry_run)
        return answer(await api.operators.run(lambda services: replay_letters(services, key, work)))

    @router.post(
        "/v1/dead-letters/edit",
        operation_id="editDeadLetters",
        responses=api.responses(
            PlannedReplay | BulkDone, "The cost and ten examples, or what was done.", 404, 408, 413, 415
        ),
        openapi_extra=body_of(EditBody),
    )
    async def edit(request: Request, key: Operator) -> Response:
        """Change fields of dead events and enqueue them. With `dry_run` the cost and what would be changed.

        If one is no valid event then, none is enqueued (`done` 0), unless `skip_invalid` says otherwise.
        """
        body: EditBody = await read_request(request, EditBody, api.settings)
        work = Replay(
            selected_letters(key, body.letters),
            body.lane,
            body.dry_run,
            replays.edit_of(Edit(body.set, body.unset)),
            {"set": sorted(body.set), "unset": list(body.unset)},
            skip_invalid=body.skip_invalid,
        )
        return answer(await api.operators.run(lambda services: replay_letters(services, key, work)))

    @router.post(
        "/v1/dead-letters/discard",
        operation_id="discardDeadLetters",
        responses=api.responses(PlannedDiscard | BulkDone, "How many, or what was done.", 404, 408, 413, 415),
        openapi_extra=body_of(DiscardBody),
    )
    async def discard(request: Request, key: Operator) -> Response:
        """Let dead letters go: their payloads and Gong's words are deleted for good."""
        body: DiscardBody = await read_request(request, DiscardBody, api.settings)
        wanted = selected_letters(key, body.letters)

        def work(services: Services) -> PlannedDiscard | BulkDone:
            if body.dry_run:
                count, events, _ = services.ledger.count_dead_letters(wanted)
                return PlannedDiscard(True, count, events)
            return bulk_done(
                run_bulk(key, lambda bulk: letters.discard(services.ledger, wanted, bulk, reason=body.why))
            )

        return answer(await api.operators.run(work))

    @router.get(
        "/v1/replays",
        operation_id="listReplays",
        responses=api.responses(Replays, "The replays that wait, the next ones first."),
    )
    async def list_replays(key: Reader) -> Response:
        """The replays that no worker has taken up. Reads the whole queue."""
        of_the_company(key)
        found = await api.operators.run(replays.waiting_replays, scans=True)
        return answer(Replays(len(found), found))

    @router.post(
        "/v1/replays/cancel",
        operation_id="cancelReplays",
        responses=api.responses(BulkDone, "What was taken off the queue.", 408, 413, 415),
        openapi_extra=body_of(CancelBody),
    )
    async def cancel(request: Request, key: Operator) -> Response:
        """Take replays that wait off the queue; their letters are open again."""
        of_the_company(key)
        body: CancelBody = await read_request(request, CancelBody, api.settings)
        ids = body.replays.ids if isinstance(body.replays, ByIds) else None
        done = await api.operators.run(
            lambda services: run_bulk(key, lambda bulk: replays.cancel_replays(services, ids, bulk)),
            scans=True,
        )
        return answer(bulk_done(done))

    return router


def _may_see(key: ApiKey) -> bool:
    """Whether the key is for somebody who may see payloads, and Gong's words, which may quote them."""
    return Scope.OPERATE in key.scopes


def _filter(key: ApiKey, query: LetterConditions) -> DeadLetterFilter:
    if query.contains is not None and not _may_see(key):
        raise HTTPException(403, NOT_THE_PAYLOAD)
    return query.wanted(system_of(key, query.reporting_system))
