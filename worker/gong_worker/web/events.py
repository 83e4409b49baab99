"""`/v1/events`: search, and what became of one."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response

from gong_worker.ledger import EventPage
from gong_worker.operations.events import EventStory, find_events, search_events
from gong_worker.operations.tail import CallsPage, calls_since
from gong_worker.web.answers import answer
from gong_worker.web.api import Api
from gong_worker.web.keys import ApiKey, Scope
from gong_worker.web.operators import system_of
from gong_worker.web.requests import CallsQuery, EventsQuery, Text

SEARCH_SECONDS = 2.0
FIND_SECONDS = 2.0


def events_router(api: Api) -> APIRouter:
    """The routes."""
    router = APIRouter()
    Reader = Annotated[ApiKey, Depends(api.key(Scope.READ))]

    @router.get(
        "/v1/events",
        operation_id="listEvents",
        responses=api.responses(EventPage, "A page of events, the latest enqueued first.", 404),
    )
    async def list_events(key: Reader, query: Annotated[EventsQuery, Query()]) -> Response:
        """Events that a worker has seen. A page that is not full, or empty, may have a `next`: go on there.

        404: `after` is no `next` of a page.
        """
        wanted = query.wanted(system_of(key, query.reporting_system))
        page = await api.operators.run(
            lambda services: search_events(
                services.ledger, wanted, limit=query.limit, after=query.after, seconds=SEARCH_SECONDS
            )
        )
        return answer(page)

    @router.get(
        "/v1/calls",
        operation_id="listCalls",
        responses=api.responses(CallsPage, "Calls that have ended, in the order of their beginnings.", 404),
    )
    async def list_calls(key: Reader, query: Annotated[CallsQuery, Query()]) -> Response:
        """The latest calls to Gong. To follow them, ask again with `since` = `next_since`, a second later.

        A page with a `next` has more behind it: ask at once with `after` = `next`. Some calls come again, as do those
        that were written late: pass over the event and attempt that you know. 404: `after` is no `next` of a page.
        """
        wanted = query.wanted(system_of(key, query.reporting_system))
        page = await api.operators.run(
            lambda services: calls_since(services, wanted, query.since, limit=query.limit, after=query.after)
        )
        return answer(page)

    @router.get(
        "/v1/events/{reportingSystem}/{eventId:path}",
        operation_id="getEvent",
        responses=api.responses(EventStory, "What is known of the event, from its enqueue to its end.", 404),
    )
    async def get_event(
        key: Reader,
        reporting_system: Annotated[Text, Path(alias="reportingSystem")],
        event_id: Annotated[Text, Path(alias="eventId")],
    ) -> Response:
        """What became of an event. `status` is `queued` while no worker has seen it.

        404: neither the ledger nor the queue has it. 503 also when no worker has seen it and the queue is too long to
        be read to its end in time.
        """
        system = system_of(key, reporting_system)
        known = await api.operators.run(
            lambda services: find_events(services, event_id, system, seconds=FIND_SECONDS), scans=True
        )
        if not known:
            raise HTTPException(404, "no such event is in the ledger or in the queue")
        return answer(known[0])

    return router
