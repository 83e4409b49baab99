"""What the simulated Gong knows of one company, and its judgement of a call. No network here."""

import json
import secrets
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from gong_worker.simulator import schema
from gong_worker.simulator.answers import Answer, changed_by, error_answer, integration_id, json_answer
from gong_worker.simulator.calllog import CallLog, Entry, Key
from gong_worker.simulator.config import SimulatorConfig
from gong_worker.simulator.faults import FaultRule, FaultRules
from gong_worker.simulator.in_flight import InFlight
from gong_worker.simulator.limits import Limits
from gong_worker.simulator.oauth import AuthorizationServer
from gong_worker.simulator.windows import SlidingWindow

PATH = "/v2/customer-engagement/content/viewed"
# After a Retry-After has gone out, calls this young may have been on their way already.
ON_ITS_WAY_SECONDS = 0.1
# These leave the client without a whole answer, so the log has no status for them.
_UNANSWERED = frozenset({"lost_reply", "reset_before", "reset_after", "half_answer", "hang"})


@dataclass(slots=True)
class Call:
    """A call whose headers are in."""

    monotonic: float
    wall: float
    retry_after: int | None
    early: bool
    request_id: str


@dataclass(slots=True)
class Ruling:
    """What is to be sent, how it is to go wrong, and which event it is about."""

    answer: Answer
    rule: FaultRule | None
    key: Key | None


class Company:
    """Credentials, limits, memory and faults of the one company that the simulator plays."""

    def __init__(self, config: SimulatorConfig, log_path: Path | None = None) -> None:
        self._initial = config
        self.log = CallLog(log_path)
        self.in_flight = InFlight()
        self._boot = secrets.token_hex(4)
        self._number = 0
        self._start(config)
        self._restore()

    def _start(self, config: SimulatorConfig) -> None:
        self.config = config
        self.random = Random(config.seed)  # noqa: S311 - faults, not secrets
        self.faults = FaultRules(self.random)
        for rule in config.faults:
            self.faults.add(rule)
        self.limits = Limits()
        self.oauth = AuthorizationServer()
        self.seen = SlidingWindow(1.0)
        self.most_in_a_second = 0
        self.inside_retry_after = 0
        self._told_at = self._not_before = 0.0

    def _restore(self) -> None:
        """Count the calls of an earlier process; its monotonic clock may have been another."""
        wall, monotonic = time.time(), time.monotonic()
        entries: list[Entry] = [json.loads(line) for line in self.log.lines]
        for entry in sorted(entries, key=lambda entry: float(entry["arrived_at"])):
            then = float(entry["arrived_at"])
            at = monotonic - (wall - then)
            self.limits.restore(at, then, entry["outcome"] == "throttled", self.config)
            self.most_in_a_second = max(self.most_in_a_second, self.seen.add(at))
            self.inside_retry_after += bool(entry.get("early"))

    def reset(self) -> None:
        """Forget calls, events and faults, and go back to the settings of the start."""
        self.log.clear()
        self.in_flight.forget_peaks()
        self._start(self._initial)

    def arrive(self, monotonic: float) -> Call:
        """Count a call, whatever becomes of it."""
        wall = time.time() - (time.monotonic() - monotonic)
        self._number += 1
        self.most_in_a_second = max(self.most_in_a_second, self.seen.add(monotonic))
        early = self._told_at + ON_ITS_WAY_SECONDS < monotonic < self._not_before
        self.inside_retry_after += early
        retry_after = self.limits.arrive(monotonic, wall, self.config)
        return Call(monotonic, wall, retry_after, early, f"sim{self._boot}{self._number:08x}")

    def judge(self, call: Call, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Ruling:
        """Decide a call whose body is in, and put it in the log."""
        try:
            event = schema.parse(body)
        except ValueError:
            event = None
        fields = event if isinstance(event, dict) else {}
        key = _key(fields)
        rule = None
        judged = self._refusal(call, method, path, headers)
        if judged is None:
            rule = self.faults.for_event(fields)
            if rule is None or rule.takes_event:
                judged = self._verdict(headers, body, event, key)
            else:
                judged = f"fault:{rule.kind}", 500, []
        outcome, status, errors = judged
        accepted = outcome == "accepted"
        if accepted:
            system = str(fields.get("reportingSystem"))
            answer = json_answer(200, {"requestId": call.request_id, "integrationId": integration_id(system)})
        else:
            answer = error_answer(status, errors, call.request_id)
        if outcome == "throttled":
            answer.headers.append(("Retry-After", str(call.retry_after)))
        if rule is not None:
            outcome = f"fault:{rule.kind}"
            answer = changed_by(rule, answer, call.request_id)
        answered = rule is None or rule.kind not in _UNANSWERED
        self.record(call, outcome, answer.status if answered else None, key, accepted, errors)
        return Ruling(answer, rule, key)

    def _refusal(
        self, call: Call, method: str, path: str, headers: Mapping[str, str]
    ) -> tuple[str, int, list[str]] | None:
        """Why a call is refused before anyone looks at its body: outcome, status, errors."""
        if path != PATH:
            return "refused", 404, ["No such resource"]
        if method != "PUT":
            return "refused", 405, ["Only PUT is supported"]
        status = self._authorized(headers.get("authorization", ""))
        if status == 403:
            return "unauthorized", 403, ["Access denied: the token has not the scope of this resource"]
        if status != 200:
            return "unauthorized", 401, ["Access denied: the credentials are not valid"]
        if call.retry_after is not None:
            return "throttled", 429, ["API request limit exceeded"]
        return None

    def _authorized(self, header: str) -> int:
        scheme, _, value = header.partition(" ")
        config = self.config
        good = False
        if scheme.lower() == "bearer":
            if (status := self.oauth.status_of(value)) is not None:
                return status
            good = config.bearer_token is not None and value == config.bearer_token
        elif scheme.lower() == "basic" and config.access_key is not None:
            good = value == b64encode(f"{config.access_key}:{config.access_key_secret}".encode()).decode()
        return 200 if good else 401

    def _verdict(
        self, headers: Mapping[str, str], body: bytes, event: Any, key: Key | None
    ) -> tuple[str, int, list[str]]:
        """The judgement of an authorized call within the limits: outcome, status, errors."""
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" or "content-encoding" in headers:
            return "refused", 415, ["Content-Type must be application/json, not encoded"]
        if event is None:
            return "refused", 400, ["Malformed request: the body is not JSON"]
        problems = schema.problems_of(event) if self.config.strict else []
        if problems:
            return "refused", 400, problems
        if key is not None and key in self.log.accepted:
            return "duplicate", 409, ["Event was already reported in the past"]
        return "accepted", 200, []

    def record(
        self,
        call: Call,
        outcome: str,
        status: int | None,
        key: Key | None = None,
        accepted: bool = False,
        errors: list[str] | None = None,
    ) -> None:
        """Put a call in the log."""
        entry: Entry = {
            "number": len(self.log.lines) + 1,
            "arrived_at": round(call.wall, 6),
            "arrived_monotonic": call.monotonic,
            "key": key,
            "outcome": outcome,
            "status": status,
            "accepted": accepted,
            "request_id": call.request_id,
        }
        if errors:
            entry["errors"] = errors
        if call.early:
            entry["early"] = True
        self.log.append(entry)

    def told_to_wait(self, seconds: int) -> None:
        """A Retry-After has just gone out; a shorter one never shortens."""
        now = time.monotonic()
        if now + seconds > self._not_before:
            self._told_at, self._not_before = now, now + seconds

    def stats(self) -> dict[str, Any]:
        """The figures of `GET /_sim/stats`."""
        in_flight = self.in_flight
        return {
            "calls": len(self.log.lines),
            "outcomes": dict(self.log.outcomes),
            "accepted": len(self.log.accepted),
            "max_in_sliding_second": self.most_in_a_second,
            "inside_retry_after": self.inside_retry_after,
            "in_flight": in_flight.now,
            "max_in_flight": in_flight.most,
            "max_in_flight_same_key": in_flight.most_same_key,
            "concurrent_same_key": in_flight.concurrent_same_key,
        }


def _key(event: Mapping[str, Any]) -> Key | None:
    system, event_id = event.get("reportingSystem"), event.get("eventId")
    return (system, event_id) if isinstance(system, str) and isinstance(event_id, str) else None
