"""Dead letters for the console's tests: a few as a worker leaves them, or very many at once by SQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gong_views.names import Lane
from gong_worker.domain.error_kinds import error_kind
from gong_worker.domain.outcomes import AttemptOutcome as Outcome
from gong_worker.domain.states import DeadLetterReason, Status
from gong_worker.ledger import Ledger
from gong_worker.ledger.models import ATTEMPTS, DEAD_LETTERS, DELIVERIES

CHUNK = 5_000
KINDS = (
    (400, "`viewer.email` is not valid: {email}"),
    (400, "contentId {number} is not known"),
    (422, "`eventTimestamp` is in the future"),
)


def payload(number: int) -> dict[str, Any]:
    """A valid event; the viewer's address is in it."""
    return {
        "reportingSystem": "portal",
        "eventId": f"view-{number}",
        "eventTimestamp": "2026-07-01T12:00:00Z",
        "contentId": f"deck-{number % 7}",
        "contentUrl": f"https://content.example/deck-{number % 7}",
        "contentTitle": "Price list",
        "viewer": {"email": f"person{number}@customer.example"},
    }


def insert(ledger: Ledger, count: int, *, first: int = 1) -> None:
    """Open dead letters of `KINDS` in turn, with their events, numbered from `first`."""
    died = datetime.now(UTC) - timedelta(minutes=5)
    with ledger.engine.begin() as connection:
        for start in range(first, first + count, CHUNK):
            numbers = range(start, min(start + CHUNK, first + count))
            connection.execute(sa.insert(DELIVERIES), [_delivery(number, died) for number in numbers])
            connection.execute(sa.insert(DEAD_LETTERS), [_letter(number, died) for number in numbers])


def _delivery(number: int, died: datetime) -> dict[str, Any]:
    return {
        "event_id": f"view-{number}", "reporting_system": "portal", "status": Status.DEAD, "attempt_count": 1,
        "duplicate_count": 0, "first_seen_at": died, "enqueued_at": died, "updated_at": died, "settled_at": died,
        "message_id": f"message-{number}", "lane": Lane.LIVE, "source": "backend",
        "content_id": f"deck-{number % 7}", "event_timestamp": died, "payload_sha256": "0" * 64,
    }  # fmt: skip


def _letter(number: int, died: datetime) -> dict[str, Any]:
    status, text = KINDS[number % len(KINDS)]
    event = payload(number)
    error = text.format(email=event["viewer"]["email"], number=number)
    return {
        "event_id": event["eventId"], "reporting_system": "portal", "message_id": f"message-{number}",
        "lane": Lane.LIVE, "source": "backend", "enqueued_at": died, "reason": DeadLetterReason.REJECTED,
        "http_status": status, "request_id": f"request-{number}", "errors": [error], "payload": event,
        "created_at": died, "error_kind": error_kind([error], event),
    }  # fmt: skip


def insert_attempts(ledger: Ledger) -> int:
    """Attempts of the first event in each of the last 24 hours, most of them delivered; their number."""
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    for back in range(24):
        outcomes = [Outcome.DELIVERED] * (20 + 7 * (back % 5)) + [Outcome.REJECTED] * (back % 4)
        outcomes += [Outcome.THROTTLED] * (3 if back == 6 else 0) + [Outcome.SERVER_ERROR] * (back // 20)
        rows += [
            {
                "event_id": "view-1", "reporting_system": "portal", "attempt_number": len(rows) + number,
                "claim_token": "0" * 32, "started_at": now - timedelta(hours=back), "duration_ms": 80,
                "outcome": outcome, "http_status": 201,
            }
            for number, outcome in enumerate(outcomes, 1)
        ]  # fmt: skip
    with ledger.engine.begin() as connection:
        # What ends is counted: as in life, an attempt begins without an outcome.
        connection.execute(sa.insert(ATTEMPTS), [{**row, "outcome": None} for row in rows])
        update = sa.update(ATTEMPTS).where(ATTEMPTS.c.attempt_number == sa.bindparam("number"))
        connection.execute(
            update.values(outcome=sa.bindparam("end")),
            [{"number": row["attempt_number"], "end": row["outcome"]} for row in rows],
        )
    return len(rows)


def multiply(ledger: Ledger, count: int) -> None:
    """So many more letters with their events, made by the database of the first three (see `insert`)."""
    with ledger.engine.begin() as connection:
        for table, left_out in ((DELIVERIES, ()), (DEAD_LETTERS, ("id",))):
            names = [column.name for column in table.columns if column.name not in left_out]
            new = {"event_id": "'many-' || n.i", "message_id": "'many-' || n.i"}
            values = ", ".join(new.get(name, f"t.{name}") for name in names)
            connection.execute(
                sa.text(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) "
                    f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {values} "
                    f"FROM n JOIN {table.name} AS t ON t.event_id = 'view-' || (1 + n.i % 3)"
                ),
                {"count": count},
            )
