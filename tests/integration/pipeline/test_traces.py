"""Traces of OpenTelemetry through real processes: from a producer's own span to the calls, over every retry."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gong_views.message import parse
from gong_worker import tracing
from tests.support.collector import Collector, collecting
from tests.support.log_guard import findings
from tests.support.pipeline import Pipeline
from tests.support.processes import clean_environment
from tests.support.servers import free_port, wait_until
from tests.support.views import view
from tests.web.served import serving

# A backend that traces: its own span, and in it an enqueue of ours.
BACKEND = """
import json, sys
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
provider = TracerProvider(resource=Resource.create({"service.name": "backend"}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
from gong_views import ViewQueue, AsyncViewQueue
events = json.load(sys.stdin)
with trace.get_tracer("backend").start_as_current_span("GET /deck"), ViewQueue(sys.argv[1]) as queue:
    if len(events) == 1:
        queue.enqueue(events[0])
    else:
        import asyncio
        async def several():
            async with AsyncViewQueue(sys.argv[1]) as queue:
                await queue.enqueue_many(events, "bulk", batch_size=2)
        queue.enqueue_many(events)
        asyncio.run(several())
"""
# One that does not even have it (where it is installed, redis-py loads it).
QUIET = """
import json, sys
sys.modules["opentelemetry"] = None
from gong_views import ViewQueue
with ViewQueue(sys.argv[1]) as queue:
    queue.enqueue(json.load(sys.stdin)[0])
"""
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector on a free port."""
    with collecting() as one:
        yield one


def run(program: str, url: str, events: list[dict[str, Any]], **variables: str) -> None:
    subprocess.run(
        [sys.executable, "-c", program, url], input=json.dumps(events), text=True, check=True, timeout=120,
        env={**clean_environment(), **variables},
    )  # fmt: skip


def attempts(log: str) -> list[dict[str, Any]]:
    read = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in read if line.get("action") == "attempt"]


def test_one_trace_from_the_producer_to_the_call_over_retries(
    pipeline: Pipeline, collector: Collector
) -> None:
    """A backend's span, our enqueue below it, below that each delivery with its call; the log names the trace."""
    pipeline.gong.fault("status", status=503)
    worker = pipeline.worker(environment={**collector.environment, "GONG_VIEWS_LOG_FORMAT": "json"})
    run(BACKEND, pipeline.valkey.url, [view(1)], **collector.environment)
    pipeline.enqueued["view-1"] += 1
    pipeline.drain()
    wait_until(lambda: len(collector.named("PUT")) == 2, "the spans of both calls")
    [root], [enqueue] = collector.named("GET /deck"), collector.named("enqueue")
    deliveries, calls = collector.named("deliver"), collector.named("PUT")
    assert {one.trace_id for one in collector.spans} == {root.trace_id}
    assert len(collector.spans) == 6
    assert (enqueue.service, enqueue.name, enqueue.parent_id) == (
        "backend",
        "enqueue gong-views.live",
        root.span_id,
    )
    for delivery, call in zip(deliveries, calls, strict=True):
        assert (delivery.service, delivery.parent_id) == ("gong-views-worker", enqueue.span_id)
        assert call.parent_id == delivery.span_id
        assert delivery.began <= call.began <= call.ended
        assert call.attributes["server.address"] == "127.0.0.1"
        assert delivery.attributes["gong_views.event_id"] == "view-1"
    assert [call.attributes["http.response.status_code"] for call in calls] == [503, 200]
    assert [call.failed for call in calls] == [True, False]
    assert calls[0].attributes["error.type"] == "503"
    assert "http.request.resend_count" not in calls[0].attributes
    assert calls[1].attributes["http.request.resend_count"] == 1
    assert [one.attributes["gong_views.decision"] for one in deliveries] == ["retry", "delivered"]
    assert [line["trace_id"] for line in attempts(worker.log)] == [root.trace_id] * 2
    assert list(findings("spans", "\n".join(collector.texts))) == []
    worker.terminate()
    pipeline.verify()


def test_the_messages_of_a_batch_share_its_span(
    pipeline: Pipeline, collector: Collector, tmp_path: Path
) -> None:
    """`enqueue_many`, sync and async: one span a round trip, in every message of it, with their number."""
    run(BACKEND, pipeline.valkey.url, [view(number) for number in range(3)], **collector.environment)
    spans = {one.span_id: one for one in collector.named("enqueue")}
    numbers = [one.attributes["messaging.batch.message_count"] for one in spans.values()]
    assert sorted(numbers) == [1, 2, 3]
    for lane, wanted in (("live", {3: 3}), ("bulk", {2: 2, 1: 1})):
        raws = pipeline.redis.lrange(f"gong-views.{lane}", 0, -1)
        seen: dict[int, int] = {}
        for trace in (parse(raw).trace for raw in raws):
            assert trace is not None
            span = spans[trace.span_id]
            assert span.trace_id == trace.trace_id
            assert span.name == f"enqueue gong-views.{lane}"
            size = span.attributes["messaging.batch.message_count"]
            seen[size] = seen.get(size, 0) + 1
        assert seen == wanted


def test_a_request_s_trace_goes_on_through_the_intake(
    pipeline: Pipeline, collector: Collector, tmp_path: Path
) -> None:
    """The caller's traceparent is carried by an intake that does not trace; one that is no such is passed over."""
    worker = pipeline.worker(environment={**collector.environment, "GONG_VIEWS_LOG_FORMAT": "json"})
    with serving(tmp_path, pipeline.environment) as (_, url):
        for number, given in enumerate((CALLER, "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "x" * 5000)):
            answer = httpx.post(
                f"{url}/v1/views", json=view(number), headers={"traceparent": given, "tracestate": "v=1"}
            )
            assert answer.status_code == 202
            pipeline.enqueued[f"view-{number}"] += 1
    pipeline.drain()
    wait_until(lambda: len(collector.named("PUT")) == 3, "the spans of the calls")
    continued = [one for one in collector.named("deliver") if one.trace_id == CALLER[3:35]]
    assert [(one.parent_id, one.attributes["gong_views.event_id"]) for one in continued] == [
        (CALLER[36:52], "view-0")
    ]
    traces = {line["event_id"]: line["trace_id"] for line in attempts(worker.log)}
    assert traces["view-0"] == CALLER[3:35]
    assert len(set(traces.values())) == 3
    pipeline.verify()


def test_an_intake_that_traces_is_part_of_the_trace(
    pipeline: Pipeline, collector: Collector, tmp_path: Path
) -> None:
    """Its enqueue is below the caller's span; nothing of the request itself is sent to the collector."""
    with serving(tmp_path, pipeline.environment | collector.environment) as (_, url):
        wrong = view(1) | {"eventTimestamp": "dana@globex.example"}
        assert httpx.post(f"{url}/v1/views", json=wrong).status_code == 422
        answer = httpx.post(f"{url}/v1/views", json=view(2), headers={"traceparent": CALLER})
        assert answer.status_code == 202
        [enqueue] = wait_until(lambda: collector.named("enqueue"), "the span")
    assert (enqueue.service, enqueue.trace_id, enqueue.parent_id) == (
        "gong-views-intake", CALLER[3:35], CALLER[36:52],
    )  # fmt: skip
    assert len(collector.spans) == 1
    [raw] = pipeline.redis.lrange("gong-views.live", 0, -1)
    trace = parse(raw).trace
    assert trace is not None
    assert trace.span_id == enqueue.span_id


def test_without_a_tracer_nothing_is_needed_and_nothing_carried(pipeline: Pipeline) -> None:
    """Without OpenTelemetry, or with one that is not set up, messages have no trace, and the worker's line neither."""
    run(QUIET, pipeline.valkey.url, [view(1)])
    pipeline.enqueue([2])
    raws = pipeline.redis.lrange("gong-views.live", 0, -1)
    assert [parse(raw).trace for raw in raws] == [None, None]
    assert not any(b"trace" in raw for raw in raws)
    pipeline.enqueued["view-1"] += 1
    worker = pipeline.worker(environment={"GONG_VIEWS_LOG_FORMAT": "json"})
    pipeline.drain()
    lines = attempts(worker.log)
    assert len(lines) == 2
    assert not any("trace_id" in line for line in lines)
    maps = Path(f"/proc/{worker.pid}/maps").read_text()
    assert "google/_upb" not in maps  # what the exporter would load


def test_a_collector_that_hangs_holds_nothing_up(pipeline: Pipeline) -> None:
    """Deliveries go on, and the worker's end waits for its last spans a moment only."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        worker = pipeline.worker(environment={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
        pipeline.enqueue(range(5))
        pipeline.drain()
        assert "action=tracing_on" in worker.log
        assert worker.terminate(20) == 0
    assert "action=worker_stopped" in worker.log
    pipeline.verify()


@pytest.mark.parametrize(
    ("variables", "installed", "action"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, True, "tracing_on"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True, "tracing_on"),
        ({"OTEL_TRACES_EXPORTER": "otlp, none"}, True, "tracing_on"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, False, "tracing_missing"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, True, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}, True, ""),
        ({}, True, ""),
    ],
)
def test_tracing_is_on_only_when_asked_for(variables: dict[str, str], installed: bool, action: str) -> None:
    """OpenTelemetry's own variables turn it on and off; where the extra is missing one line says what to install."""
    hide = "" if installed else "sys.modules['opentelemetry.sdk.trace'] = None; "
    program = (
        f"import sys; {hide}from gong_worker import logs, tracing; logs.configure(); tracing.configure('x'); "
        "print(tracing.active())"
    )
    inherited = {name: value for name, value in clean_environment().items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=inherited | variables, capture_output=True, text=True, timeout=60,
        check=True, cwd=os.getcwd(),
    )  # fmt: skip
    assert done.stdout.strip() == str(action == "tracing_on")
    assert f"action={action}" in done.stderr if action else not done.stderr


@pytest.mark.parametrize(("exporters", "on"), [("otlp,console", True), ("console", False)])
def test_an_exporter_that_is_not_known_is_told(
    exporters: str, on: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not turn off what stands beside it, and the log names it once."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", exporters)
    assert tracing.wanted(os.environ) is on
    monkeypatch.setattr(tracing, "wanted", lambda _: False)  # this process is not to trace
    tracing.configure("x")
    told = [vars(record) for record in caplog.records if "exporters" in vars(record)]
    assert [(one["action"], one["exporters"]) for one in told] == [("tracing_exporter_unknown", "console")]


def test_a_collector_s_outage_is_told_once(pipeline: Pipeline) -> None:
    """One that is away is told of when the first spans are lost, and when the next ones arrive; not each time."""
    port = free_port()
    worker = pipeline.worker(
        environment={
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
    )
    for number in range(3):
        pipeline.enqueue([number])
        pipeline.drain()
    wait_until(lambda: "action=traces_failed" in worker.log, "the outage to be told")
    with collecting(port):
        pipeline.enqueue([3])
        pipeline.drain()
        wait_until(lambda: "action=traces_sent" in worker.log, "its end to be told")
    assert worker.log.count("action=traces_failed") == 1
    assert "logger=opentelemetry" not in worker.log
    pipeline.verify()
