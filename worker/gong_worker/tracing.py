"""Spans of OpenTelemetry for each delivery and its call: off unless the environment names a collector.

A span is written when its delivery is recorded, from the times that are in the ledger as well: nothing is kept and
nothing is done for it while a call is on its way. It holds no payload, and ids of others only as the log shows them.
"""

import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gong_views.trace_context import TraceContext
from gong_views.tracing import remote

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXPORTERS = ("otlp", "none")
# How long the end of a process waits for a collector that does not take its last spans.
FLUSH_SECONDS = 2.0

_tracer: Any = None
_provider: Any = None


@dataclass(frozen=True, slots=True)
class Span:
    """What one span tells: from when to when, what about, and whether it went wrong (the class or the status)."""

    name: str
    started_at: datetime
    ended_at: datetime
    attributes: Mapping[str, Any]
    error: str | None = None


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's own variables ask for traces over OTLP."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if exporters := _exporters(environment):
        return "otlp" in exporters
    return any(environment.get(name, "").strip() for name in ENDPOINTS)


def _exporters(environment: Mapping[str, str]) -> list[str]:
    names = environment.get("OTEL_TRACES_EXPORTER", "").split(",")
    return [name for name in map(str.strip, names) if name]


def _tell_unknown_exporters() -> None:
    if unknown := [name for name in _exporters(os.environ) if name not in EXPORTERS]:
        log.warning(
            "OTEL_TRACES_EXPORTER: only otlp and none are known here; the others are passed over",
            extra={"action": "tracing_exporter_unknown", "exporters": ",".join(unknown)},
        )


def configure(service_name: str) -> None:
    """Trace this process if the environment wants it and the extra is installed; OTEL_SERVICE_NAME goes first."""
    global _tracer, _provider
    _tell_unknown_exporters()
    if not wanted(os.environ):
        return
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from gong_worker.tracing_exporter import TellingExporter
    except ImportError:
        log.warning(
            "tracing is configured, but not installed: pip install 'gong-views[otel]'",
            extra={"action": "tracing_missing"},
        )
        return
    name = os.environ.get("OTEL_SERVICE_NAME") or service_name
    _provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}), shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(TellingExporter()))
    trace.set_tracer_provider(_provider)  # for what enqueues in this process
    _tracer = _provider.get_tracer("gong_worker")
    log.info("traces are sent", extra={"action": "tracing_on"})


def close() -> None:
    """Send the last spans; a collector that does not take them within FLUSH_SECONDS goes without."""
    if _provider is not None:
        # The SDK's own limit is 30 s, and a flush of its has none.
        last = threading.Thread(target=_provider.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(FLUSH_SECONDS)


def active() -> bool:
    """Whether this process writes spans."""
    return _tracer is not None


def write(given: TraceContext | None, outer: Span, inner: Span | None) -> str:
    """Write the span of a delivery and that of its call, as part of the trace its message came with; the trace's id.

    Only while `active`.
    """
    from opentelemetry import trace

    parent = None if given is None else remote(trace, given)
    delivery = _begin(trace, outer, parent, trace.SpanKind.CONSUMER)
    if inner is not None:
        call = _begin(trace, inner, trace.set_span_in_context(delivery, parent), trace.SpanKind.CLIENT)
        call.end(_nanoseconds(inner.ended_at))
    delivery.end(_nanoseconds(outer.ended_at))
    return f"{delivery.get_span_context().trace_id:032x}"


def _begin(trace: Any, span: Span, context: Any, kind: Any) -> Any:
    begun = _tracer.start_span(
        span.name,
        context=context,
        kind=kind,
        start_time=_nanoseconds(span.started_at),
        attributes={key: value for key, value in span.attributes.items() if value is not None},
    )
    if span.error is not None:
        begun.set_attribute("error.type", span.error)
        begun.set_status(trace.StatusCode.ERROR)
    return begun


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")
