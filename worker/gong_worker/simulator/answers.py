"""Answers in the form Gong gives them, and what a fault rule makes of one."""

import gzip
import json
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from zlib import crc32

from gong_worker.simulator.faults import FaultRule

GARBAGE = b'\x00\xff{"requestId": \xc3\x28 no JSON'


@dataclass(slots=True)
class Answer:
    """One HTTP answer. `date` (Unix time) is None for the right one."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    date: float | None = None

    @property
    def retry_after(self) -> int | None:
        """The seconds of the Retry-After header, when it has the numeric form."""
        for name, value in self.headers:
            if name.lower() == "retry-after" and value.isascii() and value.isdigit():
                return int(value)
        return None


def json_answer(status: int, value: Any) -> Answer:
    return Answer(status, json.dumps(value).encode())


def error_answer(status: int, errors: list[str], request_id: str) -> Answer:
    """Gong's error body."""
    return json_answer(status, {"requestId": request_id, "errors": errors})


def integration_id(reporting_system: str) -> int:
    """An int64 that a float or a JavaScript number cannot hold: odd and above 2**62."""
    return 2**62 + 2 * crc32(reporting_system.encode("utf-8", "replace")) + 1


def changed_by(rule: FaultRule, answer: Answer, request_id: str) -> Answer:
    """The answer that `rule` puts in the place of the honest one."""
    match rule.kind:
        case "status":
            return _replaced(rule, request_id)
        case "reject":
            return error_answer(rule.status or 400, rule.errors, request_id)
        case "gzip":
            packed = gzip.compress(_padded(answer.body, rule.megabytes), 1)
            return Answer(answer.status, packed, headers=[*answer.headers, ("Content-Encoding", "gzip")])
        case "huge_body":
            size = rule.megabytes if "megabytes" in rule.model_fields_set else 10.0
            return Answer(answer.status, _padded(answer.body, size), headers=answer.headers)
        case "garbage":
            body = rule.body.encode() if isinstance(rule.body, str) else GARBAGE
            return Answer(answer.status, body, headers=answer.headers)
        case "wrong_content_type":
            return Answer(answer.status, answer.body, rule.content_type, answer.headers)
        case "wrong_date":
            return _misdated(rule, answer, request_id)
        case _:
            return answer


def _replaced(rule: FaultRule, request_id: str) -> Answer:
    status = rule.status or 500
    headers = {name: value for name, value in rule.headers.items() if name.lower() != "content-type"}
    kind = next((value for name, value in rule.headers.items() if name.lower() == "content-type"), None)
    if rule.body is None:
        replaced = error_answer(status, [f"Simulated status {status}"], request_id)
    elif isinstance(rule.body, str):
        replaced = Answer(status, rule.body.encode(), "text/html")
    else:
        replaced = json_answer(status, rule.body)
    replaced.content_type = kind or replaced.content_type
    replaced.headers = list(headers.items())
    return replaced


def _misdated(rule: FaultRule, answer: Answer, request_id: str) -> Answer:
    if rule.status is not None:
        answer = error_answer(rule.status, [f"Simulated status {rule.status}"], request_id)
    answer.date = time.time() + (rule.seconds or 0.0)
    if rule.retry_after is not None:
        answer.headers.append(("Retry-After", formatdate(answer.date + rule.retry_after, usegmt=True)))
    return answer


def _padded(body: bytes, megabytes: float) -> bytes:
    """The JSON object `body` with a field that makes it so large; unchanged for zero."""
    missing = int(megabytes * 1_000_000) - len(body)
    if missing <= 0 or not body.endswith(b"}"):
        return body
    return body[:-1] + b', "padding": "' + b"x" * missing + b'"}'
