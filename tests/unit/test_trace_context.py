"""W3C Trace Context in a message's headers: what is valid is kept, what is not costs the event nothing."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gong_views.message import build, counted_in, parse
from gong_views.names import Lane
from gong_views.trace_context import TraceContext
from tests.support.views import view

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STATE = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"


def with_headers(**headers: Any) -> str:
    """A message whose producer wrote these headers beside ours."""
    item = json.loads(build(view(), Lane.LIVE, enqueued_at=NOW)[1])
    item["headers"] |= headers
    return json.dumps(item)


@pytest.mark.parametrize("state", [None, STATE, 'a="\\'])
def test_a_context_is_carried(state: str | None) -> None:
    """A message gives back the context it was built with, also after a worker has noted something in it."""
    context = TraceContext(PARENT, state)
    _, raw = build(view(), Lane.LIVE, enqueued_at=NOW, trace=context)
    assert parse(raw).trace == context
    assert parse(counted_in(raw.encode(), NOW)).trace == context
    assert (context.trace_id, context.span_id, context.flags) == (PARENT[3:35], PARENT[36:52], 1)
    assert parse(raw).event == view()


def test_one_without_has_none() -> None:
    """A message that is part of no trace has no such header."""
    _, raw = build(view(), Lane.LIVE, enqueued_at=NOW)
    assert parse(raw).trace is None
    assert json.loads(raw)["headers"].keys().isdisjoint({"traceparent", "tracestate"})


@pytest.mark.parametrize(
    "parent",
    [
        "", PARENT.upper(), PARENT + "\n", f"{PARENT}-more", PARENT[:-1], f"ff{PARENT[2:]}", f"0x{PARENT[2:]}",
        f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{PARENT[3:35]}-{'0' * 16}-01", "x" * 100_000, 7, [PARENT], None,
    ],
)  # fmt: skip
def test_what_is_no_traceparent_is_passed_over(parent: Any) -> None:
    """An invalid or endless traceparent is no reason to refuse a message: it is read without a trace."""
    found = parse(with_headers(traceparent=parent, tracestate=STATE))
    assert found.trace is None
    assert found.event == view()


@pytest.mark.parametrize("state", ["", "x" * 513, "a=b\nc", "ключ=1", 7, {}])
def test_what_is_no_tracestate_is_left_out(state: Any) -> None:
    """A tracestate that is too long or not printable is left out; the trace goes on without it."""
    assert parse(with_headers(traceparent=PARENT, tracestate=state)).trace == TraceContext(PARENT)


@given(
    headers=st.dictionaries(
        st.text(max_size=20), st.none() | st.integers() | st.text(max_size=40), max_size=4
    )
)
def test_headers_nobody_knows_are_passed_over(headers: dict[str, Any]) -> None:
    """A worker reads a message whatever headers a newer producer, or a stranger, has put beside the known ones."""
    known = {"task", "id", "compression", "eta", "gong_views", "gong_views_received_at", "traceparent"}
    assert (
        parse(with_headers(**{name: value for name, value in headers.items() if name not in known})).event
        == view()
    )
