"""Laws of what a span says of a call that went wrong."""

from datetime import UTC, datetime

import pytest

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker import tracing
from gong_worker.deliver.record import Record, attempt_facts
from gong_worker.deliver.spans import write_spans
from gong_worker.domain.outcomes import Ambiguous, Outcome, ServerError, Unreachable
from gong_worker.domain.policy import Retry
from gong_worker.gong import CallResult, GongAddress
from gong_worker.ledger import Claim, EventFacts, MessageRef

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (ServerError(503, None), "503"),
        (Unreachable("ConnectError"), "ConnectError"),
        (Ambiguous("the worker failed: KeyError"), "KeyError"),
        (Ambiguous("HTTP 200 without a requestId: not an answer of Gong's", 200), "200"),
    ],
)
def test_an_error_type_is_a_class_or_a_status(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, told: str
) -> None:
    """`error.type` has few values, as it is to be grouped by: never a sentence."""
    spans: list[tracing.Span | None] = []
    monkeypatch.setattr(tracing, "active", lambda: True)
    monkeypatch.setattr(tracing, "write", lambda _given, _outer, inner: spans.append(inner))
    message = MessageRef("m-1", Lane.LIVE, NOW)
    claim = Claim(EventKey("crm", "e-1"), "t", message, EventFacts("deck", NOW, "sha"), 0, NOW)
    facts = attempt_facts(CallResult(outcome, 5, None, None), NOW)
    record = Record(claim, 1, facts, Retry(1.0, spent=True), {})
    write_spans(record, None, GongAddress("PUT", "http://gong.example/", "gong.example", 80), NOW)
    [span] = spans
    assert span is not None and span.error == told
