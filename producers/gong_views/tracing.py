"""The producer's span, where the backend traces with OpenTelemetry, and the trace that its messages carry.

OpenTelemetry is never imported here: a backend that uses it has loaded it before, and for any other one an enqueue
costs one look into `sys.modules`.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

from gong_views.names import Lane
from gong_views.trace_context import TraceContext

_MODULE: Final = "opentelemetry.trace"
#: Whose request an enqueue is part of, where it came with a trace: set by the HTTP intake.
calling_trace: ContextVar[TraceContext | None] = ContextVar("gong_views_calling_trace", default=None)


@contextmanager
def enqueueing(lane: Lane, number: int) -> Iterator[TraceContext | None]:
    """A span for as long as `number` events are put on the queue; what their messages are to carry.

    Nothing of an event is in it, and of an error only its class. Without a tracer the caller's trace goes on.
    """
    given = calling_trace.get()
    if _MODULE not in sys.modules:
        yield given
        return
    # Imported by somebody else before; if another thread is still at it, this waits for the end of that.
    trace: Any = import_module(_MODULE)
    span = trace.get_tracer("gong_views", _version()).start_span(
        f"enqueue {lane.queue}",
        context=None if given is None else remote(trace, given),
        kind=trace.SpanKind.PRODUCER,
        attributes={
            "messaging.system": "celery",
            "messaging.operation.name": "enqueue",
            "messaging.operation.type": "send",
            "messaging.destination.name": lane.queue,
            "messaging.batch.message_count": number,
        },
    )
    try:
        yield _of(span.get_span_context())
    except BaseException as error:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(trace.StatusCode.ERROR)
        raise
    finally:
        span.end()


@cache
def _version() -> str:
    return version("gong-views")


def remote(trace: Any, given: TraceContext) -> Any:
    """A context of OpenTelemetry's in which spans continue the trace; `trace` is its module of that name."""
    state = trace.TraceState.from_header([given.tracestate or ""])
    parent = trace.SpanContext(
        int(given.trace_id, 16), int(given.span_id, 16), True, trace.TraceFlags(given.flags), state
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(parent))


def _of(context: Any) -> TraceContext | None:
    if not context.is_valid:
        return None
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    headers = {"traceparent": parent, "tracestate": context.trace_state.to_header()}
    return TraceContext.read(headers)
