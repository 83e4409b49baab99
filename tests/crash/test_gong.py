"""Gong misbehaving in every way at once: each event is delivered once, and its calls are accounted for."""

from typing import Any, NamedTuple

from tests.crash.conftest import Start
from tests.support.pipeline import REQUEST_TIMEOUT_SECONDS
from tests.support.servers import wait_until

HTML = "<!doctype html><html><body><h1>Something went wrong</h1></body></html>"


class Fault(NamedTuple):
    """What befalls one event; how many calls it then takes; and how the ledger comes to know of its end."""

    kind: str
    calls: int
    resolution: str
    rule: dict[str, Any]


FAULTS = {
    "reset-before": Fault("reset_before", 2, "accepted", {}),
    "reset-after": Fault("reset_after", 2, "accepted", {}),
    "lost-reply": Fault("lost_reply", 2, "already_reported", {}),
    "half-a-head": Fault("half_answer", 2, "already_reported", {"fraction": 0.05}),
    "half-a-body": Fault("half_answer", 2, "already_reported", {"fraction": 0.95}),
    "trickle": Fault("trickle", 2, "already_reported", {"seconds": REQUEST_TIMEOUT_SECONDS / 8}),
    "hang": Fault("hang", 2, "already_reported", {"seconds": 30}),
    "html-500": Fault("status", 4, "accepted", {"status": 500, "body": HTML, "times": 3}),
    "html-503": Fault(
        "status", 2, "accepted", {"status": 503, "body": HTML, "headers": {"Retry-After": "1"}}
    ),
    "408": Fault("status", 2, "accepted", {"status": 408}),
    "gzip": Fault("gzip", 1, "accepted", {}),
    "huge": Fault("huge_body", 2, "already_reported", {"megabytes": 20}),
    "garbage": Fault("garbage", 2, "already_reported", {}),
    "portal": Fault("status", 2, "accepted", {"status": 200, "body": HTML}),
    "text": Fault("wrong_content_type", 1, "accepted", {}),
    "yesterday": Fault("wrong_date", 1, "accepted", {"seconds": -86_400}),
    # Counted from Gong's own clock a second, from ours a day or nothing.
    "tomorrow-429": Fault("wrong_date", 2, "accepted", {"seconds": 86_400, "status": 429, "retry_after": 1}),
    "yesterday-503": Fault(
        "wrong_date", 2, "accepted", {"seconds": -86_400, "status": 503, "retry_after": 1}
    ),
}
GOOD_BETWEEN = 3


def test_every_misbehaviour(postgres_url: str, pipeline: Start) -> None:
    """Resets, lost and broken answers, timeouts, strange bodies, wrong clocks: one acceptance, each call recorded."""
    line = pipeline(postgres_url, concurrency=3)
    for name, fault in FAULTS.items():
        line.gong.fault(fault.kind, **{"match": {"eventId": f"{name}-0"}, **fault.rule})
    for number, name in enumerate(FAULTS):
        line.enqueue([0], prefix=f"{name}-")
        line.enqueue(range(number * GOOD_BETWEEN, (number + 1) * GOOD_BETWEEN))
    line.worker()
    line.drain()
    books = line.verify()
    assert books.known_calls == books.calls and not books.unknown_calls
    for name, fault in FAULTS.items():
        event = f"{name}-0"
        assert (books.calls[event], books.resolution[event]) == (fault.calls, fault.resolution), name
    assert all(books.calls[f"view-{number}"] == 1 for number in range(GOOD_BETWEEN * len(FAULTS)))


def test_a_storm_and_an_outage(sqlite_url: str, pipeline: Start) -> None:
    """5xx for every call, then nobody there, then back: few calls meanwhile, all events delivered afterwards."""
    line = pipeline(sqlite_url, concurrency=3)
    workers = [line.worker(ready=False), line.worker(ready=False)]
    line.wait_ready(*workers)
    line.gong.fault("status", status=502, body=HTML, times=None)
    line.enqueue(range(30))
    wait_until(lambda: line.services.gate.status().state == "held", "the breaker")
    wait_until(lambda: line.gong.stats()["in_flight"] == 0, "the last calls")
    storm = line.gong.stats()["calls"]
    line.simulator.kill()
    wait_until(
        lambda: any("outcome=unreachable" in worker.log for worker in workers), "a probe to be refused"
    )
    line.simulator.start()
    line.drain()
    books = line.verify()
    assert storm <= 5 + 2 * 3, "more calls than it takes to trip the breaker and what was in flight"
    assert books.calls == books.known_calls and books.calls.total() == storm + 30


def test_a_portal_answers_for_gong(sqlite_url: str, pipeline: Start) -> None:
    """A server that answers every call with 200 and a page of its own: nothing is delivered, the breaker holds."""
    line = pipeline(sqlite_url, concurrency=3)
    rule = line.gong.fault("status", status=200, body=HTML, times=None)
    line.enqueue(range(30))
    line.worker()
    wait_until(lambda: line.services.gate.status().state == "held", "the breaker")
    wait_until(lambda: line.gong.stats()["in_flight"] == 0, "the last calls")
    portal = line.gong.stats()["calls"]
    assert portal <= 5 + 3 + 1, "more calls than trip the breaker, were in flight, and a probe"
    assert line.ledger.counts()["delivered"] == 0
    line.gong.clear_faults(rule)
    line.drain()
    books = line.verify()
    assert set(books.resolution.values()) == {"accepted"}
