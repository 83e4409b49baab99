"""An ordinary delivery runs on connections kept for it, with the same types, laws and errors as any other way."""

import uuid
from dataclasses import replace
from unittest.mock import patch

import pytest
import sqlalchemy as sa

from gong_views import EventKey
from gong_worker.domain.states import Resolution, Status
from gong_worker.ledger import AlreadyHandled, Claimed, Ledger, LedgerRefused
from tests.integration.ledger.support import ask, at, claimed, deliver, ended, outcomes, result, status

STRANGE = EventKey("crm\x00\ud800␀", "e" * 1200)


def test_an_ordinary_delivery_needs_no_locked_row(ledger: Ledger) -> None:
    """Claim, attempt row, record and duplicate are one step each; the engine's own pool is not asked."""
    deliver(ledger, claimed(ledger, "m0", key=EventKey("crm", "first")))  # opens what it needs

    def refuse(*_: object) -> None:
        raise AssertionError("not an ordinary step")

    sa.event.listen(ledger.engine, "checkout", refuse)
    deliver(ledger, claimed(ledger, "m1"), 1)
    assert ask(ledger, "m2", 2) == AlreadyHandled(Status.DELIVERED, duplicate=True)
    sa.event.remove(ledger.engine, "checkout", refuse)
    assert outcomes(ledger) == ["delivered"] and ended(ledger) == 3


def test_what_types_do_to_values_holds(ledger: Ledger) -> None:
    """Text that a database cannot hold, and ids it cannot index, are stored by a step as by any other statement."""
    deliver(ledger, claimed(ledger, "m\x001", key=STRANGE), 1)
    assert isinstance(ask(ledger, "m\x002", key=STRANGE), AlreadyHandled)
    found = ledger.event(STRANGE.event_id, STRANGE.reporting_system)[0]
    assert found.message_id == "m\x001" and found.duplicate_count == 1 and found.settled_at == at(1)
    with ledger.engine.connect() as connection:
        query = sa.text("SELECT reporting_system, length(event_id), message_id FROM duplicates")
        assert tuple(connection.execute(query).one()) == ("crm␀0␀d800␀␀", 172, "m␀02")


def test_a_value_without_an_offset_is_refused(ledger: Ledger) -> None:
    """What a column's type refuses is a ValueError before anything is sent, and the next step works."""
    claim = claimed(ledger, "m1")
    with pytest.raises(ValueError, match="timezone-aware"):
        ledger.begin_attempt(claim, now=at(1).replace(tzinfo=None))
    assert deliver(ledger, claim, 1)


def test_a_value_that_the_database_refuses(ledger: Ledger) -> None:
    """It is told without the value, nothing of the step is written, and the next step works."""
    claim = claimed(ledger, "m1")
    number = ledger.begin_attempt(claim, now=at(1))
    endless = replace(result("delivered", 1, 200), duration_ms=2**70)
    with pytest.raises((LedgerRefused, OverflowError)) as caught:
        ledger.complete(claim, number, endless, now=at(1), resolution=Resolution.ACCEPTED, integration_id=1)
    assert str(2**70) not in str(caught.value)
    assert status(ledger) == "sending" and outcomes(ledger) == [None]
    assert deliver(ledger, claim, 2, number=number)


def test_a_claim_whose_answer_got_lost(ledger: Ledger) -> None:
    """A claim that was written when its connection broke is given when the step is run again."""
    token = uuid.uuid4()
    with patch("uuid.uuid4", return_value=token):
        first, again = ask(ledger, "m1"), ask(ledger, "m1")
    assert isinstance(first, Claimed) and first == again
    assert deliver(ledger, again.claim, 1)
