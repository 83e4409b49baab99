"""An OpenTelemetry collector for tests: takes traces over OTLP/HTTP on a free port, and keeps every span."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class SeenSpan:
    """A span as it arrived; ids in hexadecimal, times in nanoseconds."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    began: int
    ended: int
    failed: bool


@dataclass
class Collector:
    """What came in, and where to send it."""

    url: str = ""
    spans: list[SeenSpan] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make a process send its spans here, without a long wait."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def named(self, begin: str) -> list[SeenSpan]:
        """The spans whose name begins so, by their begin."""
        return sorted((one for one in self.spans if one.name.startswith(begin)), key=lambda one: one.began)

    def take(self, body: bytes) -> None:
        """One export."""
        request = ExportTraceServiceRequest.FromString(body)
        self.texts.append(str(request))
        for resource in request.resource_spans:
            service = next(
                a.value.string_value for a in resource.resource.attributes if a.key == "service.name"
            )
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {
                        a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes
                    }
                    self.spans.append(
                        SeenSpan(
                            service, span.name, span.kind, span.trace_id.hex(), span.span_id.hex(),
                            span.parent_span_id.hex(), attributes, span.start_time_unix_nano,
                            span.end_time_unix_nano, span.status.code == span.status.STATUS_CODE_ERROR,
                        )
                    )  # fmt: skip


@contextmanager
def collecting(port: int = 0) -> Iterator[Collector]:
    """A collector for the length of the block, on any free port if none is given."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
