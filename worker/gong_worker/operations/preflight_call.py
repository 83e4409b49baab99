"""The preflight's call to Gong: an empty event, which Gong refuses with 400 and which creates nothing.

Gong looks at the credential before it looks at the body, so a 400 for the missing fields (the contract requires
five) proves address and credential. The call waits for a slot of the gate and is counted, like any other.
"""

import time
from typing import assert_never

from gong_views.names import Lane
from gong_worker.domain.outcomes import (
    AlreadyReported,
    Ambiguous,
    Delivered,
    Misconfigured,
    Outcome,
    Rejected,
    ServerError,
    Throttled,
    Unauthorized,
    Unreachable,
)
from gong_worker.gate import Gate, Go, Held, Later, Slot
from gong_worker.gong import GongClient
from gong_worker.operations.preflight import Finding, failed, ok, warning

EVENT_KEY = "gong-views\x00preflight"
SLOT_SECONDS = 20.0
_ADDRESS = "correct GONG_BASE_URL: your company's address is in Gong under Company settings, API"


def check_call(gate: Gate, gong: GongClient) -> Finding:
    """Ask once. Raises GateUnavailable, and what the gate's history raises."""
    deadline = time.monotonic() + SLOT_SECONDS
    gong.warm()
    while time.monotonic() < deadline:
        answer = gate.acquire(Lane.LIVE, EVENT_KEY)
        match answer:
            case Held():
                return _not_made(answer.reason.value)
            case Later():
                time.sleep(min(answer.retry_in_seconds, max(0.0, deadline - time.monotonic())))
            case Slot(probe=True):
                gate.refund(answer)  # the probe of a held gate belongs to an event
                return _not_made("it waits for a probe")
            case Slot():
                time.sleep(max(0.0, answer.at - time.monotonic()))
                if isinstance(gate.confirm(answer), Go):
                    return _judged(gate, answer, gong.send({}).outcome)
            case _:
                assert_never(answer)
    return warning("call", f"not made: no slot within {SLOT_SECONDS:g} s", "see gong-views status")


def _not_made(why: str) -> Finding:
    return warning("call", f"not made: the gate is held ({why})", "see gong-views status")


def _judged(gate: Gate, slot: Slot, outcome: Outcome) -> Finding:
    """Only a 429 is told to the gate: the others say nothing of an event, and this process's settings may be wrong."""
    match outcome:
        case Rejected(http_status=status):
            return ok("call", f"Gong answered HTTP {status}, as it should: address and credential are right")
        case Unauthorized(http_status=status):
            mend = "correct the credential; it needs the scope api:engagement-data:write"
            return failed("call", f"Gong refused the credential (HTTP {status})", mend)
        case Misconfigured(http_status=status):
            return failed("call", f"there is no such endpoint at the base URL (HTTP {status})", _ADDRESS)
        case Delivered(http_status=status) | AlreadyReported(http_status=status):
            return failed("call", f"an empty event was accepted (HTTP {status}): this is not Gong", _ADDRESS)
        case Throttled():
            gate.report(slot, EVENT_KEY, outcome, written_late_seconds=None)
            return warning("call", "the company's limit is reached (HTTP 429)", "ask again later")
        case ServerError(http_status=status):
            return failed(
                "call", f"Gong answered HTTP {status}", "look at Gong's status page; ask again later"
            )
        case Ambiguous(error=error, http_status=status):
            seen = f"HTTP {status}, but not as Gong does" if status else f"no answer ({error})"
            return failed("call", seen, _ADDRESS)
        case Unreachable(error=error):
            return failed("call", f"not reached ({error})", f"see to DNS and firewall, or {_ADDRESS}")
        case _:
            assert_never(outcome)
