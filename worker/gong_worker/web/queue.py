"""`/v1/queue`, `/v1/reconcile` and `/v1/alerts`: what waits, whether all is accounted for, what is wrong."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from gong_views.errors import SettingsError
from gong_views.names import Lane
from gong_worker import notify
from gong_worker.alerts_settings import AlertSettings
from gong_worker.operations.alerts import send_test, standing_alerts
from gong_worker.operations.queue import find, peek
from gong_worker.operations.reconcile import Reconciliation, accept_drift, reconcile
from gong_worker.operations.services import Services
from gong_worker.web.answers import AcceptedDrift, Alerts, AlertTrials, Waiting, answer
from gong_worker.web.api import Api, body_of
from gong_worker.web.keys import ApiKey, Scope
from gong_worker.web.operators import of_the_company, system_of
from gong_worker.web.requests import AcceptBody, FindQuery, PeekQuery, WaitsAt, read_request

FIND_SECONDS = 5.0


def queue_router(api: Api) -> APIRouter:
    """The routes."""
    router = APIRouter()
    Reader = Annotated[ApiKey, Depends(api.key(Scope.READ))]
    Operator = Annotated[ApiKey, Depends(api.key(Scope.OPERATE))]

    @router.get(
        "/v1/queue",
        operation_id="peekQueue",
        responses=api.responses(Waiting, "The next messages, in the order in which they are taken."),
    )
    async def peek_queue(key: Reader, query: Annotated[PeekQuery, Query()]) -> Response:
        """What waits in a lane, or for another try, without payloads."""
        of_the_company(key)
        place = None if query.place is WaitsAt.DELAYED else Lane(query.place.value)

        def work(services: Services) -> Waiting:
            found = peek(services.client, place, limit=query.limit)
            return Waiting(found, complete=len(found) < query.limit)

        return answer(await api.operators.run(work, ledger_may_be_away=True))

    @router.get(
        "/v1/queue/find",
        operation_id="findInQueue",
        responses=api.responses(Waiting, "The event's messages, wherever they wait; none is no error."),
    )
    async def find_in_queue(key: Reader, query: Annotated[FindQuery, Query()]) -> Response:
        """Where an event's messages are: in a lane, delayed, set aside, or in a worker's hand. For 5 s at most."""
        system = system_of(key, query.reporting_system)

        def work(services: Services) -> Waiting:
            return Waiting(*find(services.client, query.event_id, system, seconds=FIND_SECONDS))

        return answer(await api.operators.run(work, ledger_may_be_away=True, scans=True))

    @router.get(
        "/v1/reconcile",
        operation_id="reconcile",
        responses=api.responses(Reconciliation, "What went in, and what became of it."),
    )
    async def get_reconciliation(key: Reader) -> Response:
        """Whether what went in is delivered, dead or still on its way, by the ledger's counters and the queue."""
        of_the_company(key)
        return answer(await api.operators.run(reconcile, scans=True))

    @router.post(
        "/v1/reconcile/accept",
        operation_id="acceptDrift",
        responses=api.responses(AcceptedDrift, "What was found, once more, and accepted.", 408, 413, 415),
        openapi_extra=body_of(AcceptBody),
    )
    async def accept(request: Request, key: Operator) -> Response:
        """Write off the drift that is found now, such as after a backup was restored; the audit keeps it."""
        of_the_company(key)
        body: AcceptBody = await read_request(request, AcceptBody, api.settings)

        def work(services: Services) -> AcceptedDrift:
            found = reconcile(services)
            if found.drift:
                accept_drift(services, found.drift, by=key.name, reason=body.why)
            return AcceptedDrift(bool(found.drift), found)

        return answer(await api.operators.run(work, scans=True))

    @router.get(
        "/v1/alerts",
        operation_id="listAlerts",
        responses=api.responses(Alerts, "The earliest first; one for each address that is told."),
    )
    async def list_alerts(key: Reader) -> Response:
        """The alerts that stand. Without GONG_VIEWS_ALERT_URLS in any process nobody looks, and there are none."""
        of_the_company(key)
        found = await api.operators.run(
            lambda services: standing_alerts(services.client), ledger_may_be_away=True
        )
        return answer(Alerts(found))

    @router.post(
        "/v1/alerts/test",
        operation_id="testAlerts",
        responses=api.responses(AlertTrials, "Whether it got through, address by address.", 409),
    )
    async def test_alerts(key: Operator) -> Response:
        """Send a test message to every address that this process has. 409: it has none."""
        of_the_company(key)

        def work(_: Services) -> AlertTrials:
            try:
                return AlertTrials(send_test(AlertSettings.load(), notify.send))
            except SettingsError as error:
                raise HTTPException(409, str(error)) from None

        return answer(await api.operators.run(work, ledger_may_be_away=True))

    return router
