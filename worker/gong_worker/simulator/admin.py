"""The admin API under /_sim/ (docs/simulator.md): the log, the figures, faults, settings, a new start."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

from gong_worker.simulator.answers import Answer, json_answer
from gong_worker.simulator.company import Company
from gong_worker.simulator.config import SimulatorConfig
from gong_worker.simulator.faults import FaultRule

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_LOG_PAGE = 5_000


def handle(company: Company, method: str, target: str, body: bytes) -> Answer:
    """The answer to one admin request; a mistake gives 400 with what is wrong."""
    parts = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    try:
        value = json.loads(body) if body else {}
        return _route(company, f"{method} {parts.path}", query, value)
    except ValidationError as error:
        messages = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()]
        return json_answer(400, {"errors": messages})
    except ValueError as error:
        return json_answer(400, {"errors": [str(error)]})


def _route(company: Company, route: str, query: dict[str, str], value: Any) -> Answer:
    match route:
        case "GET /_sim/log":
            since, limit = int(query.get("since", "0")), int(query.get("limit", str(MAX_LOG_PAGE)))
            first = max(since, 0)
            page = company.log.lines[first : first + min(limit, MAX_LOG_PAGE)]
            return Answer(200, b'{"entries": [' + b", ".join(page) + b"]}")
        case "GET /_sim/accepted":
            return json_answer(200, {"accepted": list(company.log.accepted)})
        case "GET /_sim/stats":
            return json_answer(200, company.stats())
        case "GET /_sim/faults":
            return json_answer(200, {"faults": company.faults.listed()})
        case "POST /_sim/faults":
            return json_answer(201, {"id": company.faults.add(FaultRule.model_validate(value))})
        case "DELETE /_sim/faults":
            company.faults.clear(int(query["id"]) if "id" in query else None)
            return json_answer(200, {})
        case "GET /_sim/settings":
            return json_answer(200, company.config.model_dump(mode="json"))
        case "POST /_sim/settings":
            if not isinstance(value, dict):
                raise ValueError("settings must be an object")
            company.config = SimulatorConfig.model_validate(company.config.model_dump() | value)
            if "seed" in value:
                company.random.seed(company.config.seed)
            return json_answer(200, company.config.model_dump(mode="json"))
        case "GET /_sim/oauth":
            return json_answer(200, company.oauth.stats())
        case "GET /_sim/oauth/tokens":
            return json_answer(200, {"tokens": company.oauth.tokens()})
        case "POST /_sim/oauth/grant":
            return json_answer(201, {"refresh_token": company.oauth.grant()})
        case "POST /_sim/oauth/revoke":
            company.oauth.revoke(access_only=bool(value.get("access_only")))
            return json_answer(200, {})
        case "POST /_sim/reset":
            company.reset()
            return json_answer(200, {})
        case _:
            return json_answer(404, {"errors": [f"no such admin resource: {route}"]})
