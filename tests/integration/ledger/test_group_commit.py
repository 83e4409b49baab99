"""Steps that wait for SQLite's one writer are committed together."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from gong_views import EventKey
from gong_worker.domain.states import Resolution
from gong_worker.ledger import Claimed, Ledger, LedgerUnavailable, group_commit, transactions
from tests.integration.ledger.support import ask, at, claimed, result, status
from tests.support.servers import wait_until

THREADS = 8
KEYS = [EventKey("crm", f"event-{number}") for number in range(THREADS)]

pytestmark = pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each step that is about to wait for its turn."""
    arrived: list[str] = []

    @contextmanager
    def turn(engine: sa.Engine) -> Iterator[None]:
        arrived.append("a step")
        with transactions.turn(engine):
            yield

    monkeypatch.setattr(group_commit, "turn", turn)
    return arrived


def together(ledger: Ledger, waiting: list[str], work: Callable[[int], Any]) -> list[Future[Any]]:
    """Let every thread wait for its turn, then give it."""
    waiting.clear()
    with ThreadPoolExecutor(THREADS) as pool, transactions.turn(ledger.engine):
        futures = [pool.submit(work, number) for number in range(THREADS)]
        wait_until(lambda: len(waiting) == THREADS, "all of them to wait")
    return futures


def test_one_commit_before_anybody_returns(ledger: Ledger, waiting: list[str]) -> None:
    """Eight steps that wait cost one flush, and none of them has its answer before it."""
    returned: list[str] = []
    at_commit: list[int] = []

    @sa.event.listens_for(ledger.engine, "connect")
    def _trace(connection: sqlite3.Connection, _record: object) -> None:
        connection.set_trace_callback(
            lambda text: at_commit.append(len(returned)) if text == "COMMIT" else None
        )

    def claim(number: int) -> None:
        assert isinstance(ask(ledger, f"m{number}", key=KEYS[number]), Claimed)
        returned.append("an answer")

    for future in together(ledger, waiting, claim):
        future.result()
    assert at_commit == [0] and len(returned) == THREADS
    assert ledger.counts()["sending"] == THREADS


def test_a_refused_value_is_the_fault_of_one(ledger: Ledger, waiting: list[str]) -> None:
    """A step whose value is refused fails alone; those that waited with it are written."""
    claims = [claimed(ledger, f"m{number}", key=key) for number, key in enumerate(KEYS)]
    numbers = [ledger.begin_attempt(claim, now=at(1)) for claim in claims]
    fine = result("delivered", 1, 200)

    def complete(number: int) -> bool:
        attempt = replace(fine, duration_ms=2**70) if number == 3 else fine
        return ledger.complete(
            claims[number],
            numbers[number],
            attempt,
            now=at(1),
            resolution=Resolution.ACCEPTED,
            integration_id=1,
        )

    errors = [future.exception() for future in together(ledger, waiting, complete)]
    assert [type(error) for error in errors if error] == [OverflowError] and errors[3]
    assert [status(ledger, key) for key in KEYS].count("delivered") == THREADS - 1


def test_a_step_that_had_no_turn_is_not_run_later(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was told that the ledger is busy has written nothing, also not with the next one's step."""
    monkeypatch.setattr(transactions, "BUSY_TIMEOUT_SECONDS", 0.05)
    with transactions.turn(ledger.engine), ThreadPoolExecutor(1) as pool:
        refused = pool.submit(ask, ledger, "m1", key=KEYS[1])
        wait_until(refused.done, "the end of its patience")
    with pytest.raises(LedgerUnavailable, match="no turn to write"):
        refused.result()
    claimed(ledger, "m2", key=KEYS[2])
    assert ledger.counts()["sending"] == 1
