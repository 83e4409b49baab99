"""What every route of the operators shares: who asks, the use cases, and how a refusal is documented."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from gong_worker.web.auth import caller
from gong_worker.web.document import problems
from gong_worker.web.keys import ApiKey, Scope
from gong_worker.web.models import Problem
from gong_worker.web.operators import Operators
from gong_worker.web.rate_limit import RateLimit
from gong_worker.web.settings import WebSettings

_AWAY: Final = "The queue or the ledger is away, or too much is asked at once."


@dataclass(frozen=True, slots=True)
class Api:
    """The parts of the operators' routes."""

    settings: WebSettings
    limit: RateLimit
    operators: Operators

    def key(self, scope: Scope) -> Callable[..., Awaitable[ApiKey]]:
        """A dependency: the key of the request, which needs the scope."""
        return caller(self.settings.keys, scope, self.limit)

    def responses(self, model: Any, description: str, *statuses: int) -> dict[int | str, dict[str, Any]]:
        """The answer of a route, and how it refuses."""
        away = {
            "model": Problem,
            "description": _AWAY,
            "headers": {"Retry-After": {"schema": {"type": "integer"}}},
        }
        refused = problems(400, 403, 429, *statuses, keyed=bool(self.settings.keys))
        return {200: {"model": model, "description": description}, **refused, 503: away}


def body_of(model: Any) -> dict[str, Any]:
    """The document of a route's body; `openapi_document` takes the schemas out of it."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
