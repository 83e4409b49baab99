"""The OpenAPI document: what the models cannot say, chiefly what a request body may be."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gong_views.event import ViewEvent
from gong_worker.web.answers import Health, Problem, Result, Unavailable
from gong_worker.web.body import JSON_TYPE, LINES_TYPES

_REF = "#/components/schemas/ViewEvent"
_RETRY_AFTER = {
    "Retry-After": {
        "description": "seconds to wait before trying again",
        "schema": {"type": "integer", "minimum": 1},
    }
}

VIEWS_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {"model": Result, "description": "The queue has what `accepted` lists; the others are invalid."},
    400: {"model": Problem, "description": "The request cannot be read."},
    408: {"model": Problem, "description": "The body did not arrive in time."},
    413: {"model": Problem, "description": "The body is too long, or holds too many events."},
    415: {"model": Problem, "description": "The content type is not one of those below."},
    422: {"model": Result, "description": "Every event is invalid."},
    503: {"model": Unavailable, "description": "The queue is unavailable.", "headers": _RETRY_AFTER},
}
KEY_RESPONSE: dict[int | str, dict[str, Any]] = {
    401: {
        "model": Problem,
        "description": "No valid API key.",
        "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
    }
}
READY_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": Health, "description": "The queue answers."},
    503: {"model": Problem, "description": "The queue is unavailable.", "headers": _RETRY_AFTER},
}


def views_request(*, max_batch_events: int, keyed: bool) -> dict[str, Any]:
    """Parameters, body and security of `POST /v1/views`."""
    array = {
        "type": "array",
        "items": {},
        "contains": {"$ref": _REF},
        "minItems": 1,
        # No maxItems: too many is 413, which is about size and not about form.
        "description": f"Events, {max_batch_events} at most. Invalid ones are rejected one by one; "
        "at least one has to be valid.",
    }
    lines = {"schema": {"type": "string", "description": "One event (a JSON object) a line."}}
    extra: dict[str, Any] = {
        "parameters": [
            {
                "name": "lane",
                "in": "query",
                "required": False,
                "description": "live goes first; bulk is for backfills",
                "schema": {"type": "string", "enum": ["live", "bulk"], "default": "live"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                JSON_TYPE: {"schema": {"anyOf": [{"$ref": _REF}, array]}},
                **dict.fromkeys(LINES_TYPES, lines),
            },
        },
    }
    if keyed:
        extra["security"] = [{"bearer": []}, {"apiKey": []}]
    return extra


def openapi_document(app: FastAPI, *, keyed: bool) -> dict[str, Any]:
    """The routes' document with the event's schema and the ways to send a key."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    event = ViewEvent.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    _bounded(event)
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(event.pop("$defs", {}), ViewEvent=event)
    if keyed:
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    return document


def _bounded(event: dict[str, Any]) -> None:
    """Say what no validator can do without: moments and numbers end where Python's do.

    The first and the last day there is may lie outside of the calendar in UTC; the exponent of a number in a
    text is documented with two digits, although as many are taken as a double reaches.
    """
    event["properties"]["eventTimestamp"]["pattern"] = r"^(?!0000|0001-01-01|9999-12-31)"
    numbers = event["$defs"]["Property"]["oneOf"][0]["properties"]["value"]["anyOf"]
    numbers[0] |= {"minimum": -1.7e308, "maximum": 1.7e308}
    numbers[1]["pattern"] = r"^[+-]?([0-9]{1,200}\.?[0-9]{0,200}|\.[0-9]{1,200})([eE][+-]?[0-9]{1,2})?$"
