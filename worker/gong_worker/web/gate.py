"""`/v1/status`, hold and release, limits, and the audit."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response

from gong_worker.domain.parts import Part
from gong_worker.gate.settings import LIMITS
from gong_worker.ledger import AuditPage
from gong_worker.operations import gate
from gong_worker.operations.audit import list_actions
from gong_worker.operations.gate import GateChange
from gong_worker.operations.services import Services
from gong_worker.operations.status import Status, status
from gong_worker.web.answers import Limits, answer
from gong_worker.web.api import Api, body_of
from gong_worker.web.keys import ApiKey, Scope
from gong_worker.web.operators import of_the_company
from gong_worker.web.requests import (
    AuditQuery,
    DropBody,
    HoldBody,
    LimitsBody,
    PartBody,
    ReleaseBody,
    read_request,
)


def _part(body: PartBody | None) -> Part | None:
    return None if body is None else body.part


def gate_router(api: Api) -> APIRouter:
    """The routes."""
    router = APIRouter()
    Reader = Annotated[ApiKey, Depends(api.key(Scope.READ))]
    Operator = Annotated[ApiKey, Depends(api.key(Scope.OPERATE))]

    @router.get(
        "/v1/status",
        operation_id="getStatus",
        responses=api.responses(Status, "The whole picture, also while a part is away."),
    )
    async def get_status(key: Reader) -> Response:
        """What is going on, why, and until when."""
        of_the_company(key)
        return answer(await api.operators.run(status, ledger_may_be_away=True))

    @router.post(
        "/v1/hold",
        operation_id="hold",
        responses=api.responses(GateChange, "What was changed, and the gate after it.", 408, 413, 415),
        openapi_extra=body_of(HoldBody),
    )
    async def hold(request: Request, key: Operator) -> Response:
        """Stop every worker before its next call."""
        of_the_company(key)
        body: HoldBody = await read_request(request, HoldBody, api.settings)
        return answer(
            await api.operators.run(
                lambda services: gate.hold(
                    services, body.reason, by=key.name, for_seconds=body.for_seconds, part=_part(body.part)
                ),
                ledger_may_be_away=True,
            )
        )

    @router.post(
        "/v1/release",
        operation_id="release",
        responses=api.responses(GateChange, "What was ended, and the gate after it.", 408, 413, 415),
        openapi_extra=body_of(ReleaseBody),
    )
    async def release(request: Request, key: Operator) -> Response:
        """End the holds that are ours to end. The day's quota always stands."""
        of_the_company(key)
        body: ReleaseBody = await read_request(request, ReleaseBody, api.settings)
        return answer(
            await api.operators.run(
                lambda services: gate.release(
                    services, by=key.name, even_retry_after=body.even_retry_after, part=_part(body.part)
                ),
                ledger_may_be_away=True,
            )
        )

    @router.post(
        "/v1/drop",
        operation_id="drop",
        responses=api.responses(GateChange, "What was dropped, and the gate after it.", 408, 409, 413, 415),
        openapi_extra=body_of(DropBody),
    )
    async def drop(request: Request, key: Operator) -> Response:
        """Make dead letters of what is set aside of a held part."""
        of_the_company(key)
        body: DropBody = await read_request(request, DropBody, api.settings)

        def work(services: Services) -> GateChange:
            try:
                return gate.drop(services, body.part.part, body.why, by=key.name)
            except ValueError as error:  # it is not held
                raise HTTPException(409, str(error)) from None

        return answer(await api.operators.run(work, ledger_may_be_away=True))

    @router.get(
        "/v1/limits", operation_id="getLimits", responses=api.responses(Limits, "The limits in force.")
    )
    async def get_limits(key: Reader) -> Response:
        """The company's limits, as all workers see them, and where each comes from."""
        of_the_company(key)
        found = await api.operators.run(gate.limits, ledger_may_be_away=True)
        return answer(Limits(list(found)))

    @router.patch(
        "/v1/limits",
        operation_id="setLimits",
        responses=api.responses(GateChange, "What was set, and the gate after it.", 408, 409, 413, 415),
        openapi_extra=body_of(LimitsBody),
    )
    async def set_limits(request: Request, key: Operator) -> Response:
        """Change limits at once for all workers. They stand over restarts, until they are deleted."""
        of_the_company(key)
        body: LimitsBody = await read_request(request, LimitsBody, api.settings)

        def work(services: Services) -> GateChange:
            try:
                return gate.set_limits(services, by=key.name, **body.model_dump())
            except ValueError as error:  # they do not go with the others in force
                raise HTTPException(409, str(error)) from None

        return answer(await api.operators.run(work, ledger_may_be_away=True))

    @router.delete(
        "/v1/limits/{name}",
        operation_id="unsetLimit",
        responses=api.responses(GateChange, "What was taken back, and the gate after it.", 404),
    )
    async def unset_limit(key: Operator, name: Annotated[str, Path(max_length=100)]) -> Response:
        """Take back a limit that was set: the latest started worker's environment counts again."""
        of_the_company(key)
        if name not in LIMITS:
            raise HTTPException(404, f"there is no such limit: {', '.join(LIMITS)}")
        return answer(
            await api.operators.run(
                lambda services: gate.unset_limits(services, by=key.name, names=[name]),
                ledger_may_be_away=True,
            )
        )

    @router.get(
        "/v1/audit",
        operation_id="listAudit",
        responses=api.responses(AuditPage, "A page of what was done, the latest first."),
    )
    async def list_audit(key: Reader, query: Annotated[AuditQuery, Query()]) -> Response:
        """Every change an operator made and every payload somebody saw."""
        of_the_company(key)
        page = await api.operators.run(
            lambda services: list_actions(
                services.ledger, limit=query.limit, before_id=query.before, action=query.action, by=query.by
            )
        )
        return answer(page)

    return router
