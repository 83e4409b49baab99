"""The OpenAPI document: what the routes' own declarations cannot say, chiefly what a request body may be."""

import json
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gong_views.event import ViewEvent
from gong_worker.web.body import JSON_TYPE, LINES_TYPES
from gong_worker.web.models import Problem
from gong_worker.web.problems import PROBLEM_TYPE

_REF: Final = "#/components/schemas/ViewEvent"
_RETRY_AFTER: Final = {
    "Retry-After": {
        "description": "seconds to wait before trying again",
        "schema": {"type": "integer", "minimum": 1},
    }
}
_FASTAPI_REFUSAL: Final = "Validation Error"
_DESCRIPTIONS: Final = {
    400: "The request cannot be read, or a parameter is wrong.",
    401: "No valid API key.",
    403: "The API key has not the scope, or is bound to other reporting systems.",
    404: "There is no such thing.",
    409: "It does not go with what is in force or set up, or with itself.",
    408: "The body did not arrive in time.",
    413: "The body is too long, or holds too many events.",
    429: "Too many requests of this API key.",
    415: "The content type is not one of those below.",
}

#: Two classes are called Status; the document names them for what they are.
_NAMES: Final = {
    "gong_worker__operations__status__Status": "StatusReport",
    "gong_worker__domain__states__Status": "RecordedStatus",
    "Status-Input": "RecordedStatusQuery",
}

UNAVAILABLE_RESPONSE: Final[dict[str, Any]] = {
    "model": Problem,
    "description": "The queue is unavailable.",
    "headers": _RETRY_AFTER,
}


def problems(*statuses: int, keyed: bool) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that refuse the request; with keys, 401 and 403 as well."""
    responses: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": _DESCRIPTIONS[status]}
        for status in (*statuses, *((401, 403) if keyed else ()))
    }
    if 429 in responses:
        responses[429]["headers"] = _RETRY_AFTER
    if keyed:
        responses[401]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return responses


def views_request(*, max_batch_events: int) -> dict[str, Any]:
    """The body of `POST /v1/views`."""
    array = {
        "type": "array",
        "items": {"$ref": _REF},
        "minItems": 1,
        "maxItems": max_batch_events,
        "description": "Events. Invalid ones are rejected one by one, the others are enqueued.",
    }
    lines = {"schema": {"type": "string", "description": "One event (a JSON object) a line."}}
    return {
        "requestBody": {
            "required": True,
            "content": {
                JSON_TYPE: {"schema": {"anyOf": [{"$ref": _REF}, array]}},
                **dict.fromkeys(LINES_TYPES, lines),
            },
        },
    }


def edited_request(*, max_letters: int) -> dict[str, Any]:
    """The body of `POST /v1/dead-letters/replay-edited`."""
    letter = {
        "type": "object",
        "description": "As it was exported; what is neither `id` nor `payload` does not matter.",
        "required": ["id", "payload"],
        "properties": {
            "id": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
            "payload": {"description": "the event to send, with the event key as it was"},
        },
    }
    letters = {"type": "array", "items": letter, "minItems": 1, "maxItems": max_letters}
    lines = {"schema": {"type": "string", "description": "One letter (a JSON object) a line."}}
    content = {JSON_TYPE: {"schema": {"anyOf": [letter, letters]}}, **dict.fromkeys(LINES_TYPES, lines)}
    return {"requestBody": {"required": True, "content": content}}


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The routes' document with the event's schema, and every problem under its media type."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    event = ViewEvent.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(event.pop("$defs", {}), ViewEvent=event)
    for operation in (one for path in document["paths"].values() for one in path.values()):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            schemas.update(media["schema"].pop("$defs", {}))
        # FastAPI's own form of refusal, which nothing here answers.
        if _FASTAPI_REFUSAL in operation["responses"].get("422", {}).get("description", ""):
            del operation["responses"]["422"]
        for response in operation["responses"].values():
            content = response.get("content", {})
            reference = content.get(JSON_TYPE, {}).get("schema", {}).get("$ref", "")
            if reference.endswith("Problem"):
                response["content"] = {PROBLEM_TYPE: content[JSON_TYPE]}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    text = json.dumps(document)
    for name, told in _NAMES.items():
        text = text.replace(f'/{name}"', f'/{told}"').replace(f'"{name}"', f'"{told}"')
    named: dict[str, Any] = json.loads(text)
    return named
