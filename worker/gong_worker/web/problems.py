"""Errors as `application/problem+json` (RFC 9457)."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from gong_worker.web.models import Problem

METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
PROBLEM_TYPE: Final = "application/problem+json"
_BRANCH: Final = re.compile(r"function-|none$|datetime$")


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, *, model: type[Problem] = Problem,
    **members: Any,
) -> JSONResponse:  # fmt: skip
    """A response that says what is wrong; `members` are the further fields of `model`."""
    body = model(title=HTTPStatus(status).phrase, status=status, detail=detail, **members)
    return JSONResponse(body.model_dump(mode="json"), status, headers, PROBLEM_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of `app` in this form."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _wrong_parameters)
    app.add_exception_handler(Exception, _failure)


async def _http_error(request: Request, error: Any) -> JSONResponse:
    headers = error.headers
    if (
        error.status_code == 405
    ):  # a path's methods are several routes, of which the router tells the first one's
        headers = {"Allow": ", ".join(_methods(request))}
    return problem(error.status_code, str(error.detail), headers)


def _methods(request: Request) -> list[str]:
    return [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


async def _wrong_parameters(_: Request, error: Any) -> JSONResponse:
    """The names of the parameters and what they want; never a value, which may be somebody's data."""
    told = "; ".join(
        f"{place(item['loc'], ' ')}: {item['msg']}"
        for item in error.errors()[:10]
        if not is_other_branch(item)
    )
    return problem(400, told)


def place(loc: Iterable[object], between: str) -> str:
    """Where in a request a value stands, without pydantic's own names for the branches of a union."""
    return between.join(str(step) for step in loc if not _BRANCH.match(str(step)))


def is_other_branch(error: Any) -> bool:
    """Whether it only says that the value is not null, which it need not be."""
    return bool(error["type"] == "none_required")


async def _failure(_: Request, __: Exception) -> JSONResponse:
    return problem(500, "an error of the server; its log says more")
