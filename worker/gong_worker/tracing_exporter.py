"""The exporter of spans, with a log that tells of a collector's outage once. Needs the extra `otel`."""

import logging
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = logging.getLogger(__name__)


class TellingExporter(SpanExporter):
    """Sends spans over OTLP/HTTP as the environment says; for one thread at a time, as the batch processor is."""

    def __init__(self) -> None:
        self._exporter = OTLPSpanExporter()
        self._failing = False
        # It tells of each try; what matters is told here.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them; a failure loses these spans and nothing else."""
        try:
            result = self._exporter.export(spans)
            why = "the collector does not take them"
        except Exception as error:  # e.g. an endpoint that is no URL
            result, why = SpanExportResult.FAILURE, type(error).__name__
        failing = result is not SpanExportResult.SUCCESS
        if failing != self._failing:
            self._failing = failing
            if failing:
                log.warning("traces are lost", extra={"action": "traces_failed", "error": why})
            else:
                log.info("traces are sent again", extra={"action": "traces_sent"})
        return result

    def shutdown(self) -> None:
        """The process ends."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]
