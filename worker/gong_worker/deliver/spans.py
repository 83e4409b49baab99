"""The spans of one delivery, from what its record knows: the delivery itself, and below it the call to Gong."""

from datetime import datetime, timedelta

from gong_views.trace_context import TraceContext
from gong_worker import tracing
from gong_worker.deliver.record import Record
from gong_worker.display import foreign_id
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.gong import GongAddress
from gong_worker.ledger import AttemptFacts

WENT_WELL = (AttemptOutcome.DELIVERED, AttemptOutcome.ALREADY_REPORTED)


def write_spans(record: Record, given: TraceContext | None, gong: GongAddress, now: datetime) -> str | None:
    """Write them where this process traces; the id of the trace, also of one that only the producer writes."""
    if not tracing.active():
        return None if given is None else given.trace_id
    call = _call(record, gong)
    began = now if call is None else call.started_at - timedelta(milliseconds=record.wait_ms or 0)
    claim = record.claim
    lane = claim.message.lane
    delivery = tracing.Span(
        f"deliver {lane.queue}",
        began,
        now,
        {
            "messaging.system": "celery",
            "messaging.operation.name": "deliver",
            "messaging.operation.type": "process",
            "messaging.destination.name": lane.queue,
            "messaging.message.id": foreign_id(claim.message.message_id),
            "gong_views.event_id": foreign_id(claim.key.event_id),
            **{f"gong_views.{name}": value for name, value in record.decided(now).items()},
        },
    )
    return tracing.write(given, delivery, call)


def _call(record: Record, gong: GongAddress) -> tracing.Span | None:
    attempt = record.attempt
    if attempt is None:
        return None
    again = (record.attempt_number or 1) - 1
    return tracing.Span(
        gong.method,
        attempt.started_at,
        attempt.started_at + timedelta(milliseconds=attempt.duration_ms),
        {
            "http.request.method": gong.method,
            "url.full": gong.url,
            "server.address": gong.host,
            "server.port": gong.port,
            "http.response.status_code": attempt.http_status,
            "http.request.resend_count": again or None,
            "gong_views.outcome": attempt.outcome.value,
        },
        error=None if attempt.outcome in WENT_WELL else _error_type(attempt),
    )


def _error_type(attempt: AttemptFacts) -> str:
    """The status code, or the class, with which the text of an error ends where it is more than that."""
    if attempt.http_status is not None:
        return str(attempt.http_status)
    return (attempt.error or attempt.outcome.value).split()[-1]
