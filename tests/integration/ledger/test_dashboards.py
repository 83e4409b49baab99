"""The twenty questions of docs/dashboards.md."""

import re
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.domain.audit import AuditAction
from gong_worker.domain.states import Resolution
from gong_worker.ledger import Ledger
from tests.integration.ledger.support import (
    START,
    ask,
    at,
    claimed,
    dead_letter_event,
    deliver,
    result,
)

PAGE = (Path(__file__).parents[3] / "docs" / "dashboards.md").read_text()
BLOCKS = re.findall(r"### (\d+)\. [^\n]+\n\n```sql\n(.*?)```", PAGE, re.DOTALL)
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def questions(database: str) -> dict[int, str]:
    """The form of each question for a database."""
    found = {}
    for number, block in BLOCKS:
        for name, text in re.findall(r"^-- (\w+)\n(.*?)(?=^-- |\Z)", block, re.DOTALL | re.MULTILINE):
            if name in ("both", NAMES[database]):
                found[int(number)] = text
    return found


def test_every_question_has_an_answer(ledger: Ledger) -> None:
    """Each runs as it stands on the databases it is for, and a ledger with something of everything gives it rows."""
    now = (datetime.now(UTC) - START).total_seconds() - 60

    def key(name: str) -> EventKey:
        return EventKey("crm", name)

    deliver(ledger, claimed(ledger, "m1", now, key=key("accepted"), enqueued=now - 5), now + 1)
    ask(ledger, "m2", now + 2, key=key("accepted"), enqueued=now)
    known = claimed(ledger, "m3", now, key=key("known"), lane=Lane.BULK, enqueued=now)
    number = ledger.begin_attempt(known, now=at(now))
    told = result("already_reported", now, 409)
    assert ledger.complete(
        known, number, told, now=at(now), resolution=Resolution.ALREADY_REPORTED, integration_id=None
    )
    dead_letter_event(ledger, claimed(ledger, "m4", now, key=key("refused"), enqueued=now), now)
    waits = claimed(ledger, "m5", now, key=key("waits"), enqueued=now)
    number = ledger.begin_attempt(waits, now=at(now))
    throttled = result("throttled", now, 429)
    assert ledger.defer(waits, number, throttled, now=at(now), next_attempt_at=at(now + 9), spent=False)
    ledger.mirror_enqueue_counts("one", {(Lane.LIVE, at(now).date()): 4})
    ledger.record_action(AuditAction.HOLD, by="ann", at=at(now), count=1, reason="a look")

    asked = questions(ledger.engine.dialect.name)
    assert sorted(asked) == list(range(1, 21))
    with ledger.engine.connect() as connection:
        answers = {number: connection.execute(sa.text(text)).all() for number, text in asked.items()}
    assert [number for number, rows in answers.items() if not rows] == []
    assert answers[3] == [(4,)]
