"""Pruning: what ended long ago goes, in small batches; what is open stays, and every count is what it was."""

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gong_views import EventKey, ViewQueue
from gong_worker.ledger import EventFilter, EventPage, Ledger, LedgerUnavailable
from gong_worker.operations import retention
from gong_worker.operations.reconcile import reconcile
from gong_worker.operations.recount import patient_ledger
from gong_worker.operations.retention import Retention, prune
from tests.integration.ledger.support import (
    KEY,
    at,
    claimed,
    dead_letter_event,
    defer,
    deliver,
    message,
    open_ids,
    status,
    stored,
)
from tests.integration.privacy.conftest import Command, on_sqlite
from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until
from tests.support.views import view

TABLES = ("deliveries", "attempts", "duplicates", "dead_letters")
LATER = at(1_000_000)


def key(name: str) -> EventKey:
    return EventKey("crm", name)


def everything(ledger: Ledger) -> None:
    """Two delivered ones, one of them twice; dead ones, of which one is discarded; open ones; letters without event."""
    for name in ("d1", "d2"):
        deliver(ledger, claimed(ledger, name, key=key(name)), 1)
    ledger.claim(
        key("d1"), message("again"), claimed(ledger, "x", key=key("x")).facts, now=at(2), lease_seconds=60
    )
    for name in ("gone", "dead"):
        dead_letter_event(ledger, claimed(ledger, name, key=key(name)), 3)
    ledger.mark_discarded(open_ids(ledger)[:1], "ops", at(4))
    defer(ledger, claimed(ledger, "waits", key=key("waits")), 5, 40)
    for name in ("odd", "odd-open"):
        ledger.dead_letter_message(b"?", message(name), reason_text="what?", now=at(6))
    ledger.mark_discarded(open_ids(ledger)[1:2], "ops", at(7))


def rows(ledger: Ledger) -> dict[str, int]:
    """How many each table has."""
    return {table: int(stored(ledger, f"SELECT count(*) FROM {table}")[0][0]) for table in TABLES}


def shown(ledger: Ledger) -> list[Any]:
    """Everything that counts: for operators, for dashboards, for the reconciliation."""
    views = (
        "outcomes_hourly",
        "answers_hourly",
        "calls_daily",
        "latency_hourly",
        "deliveries_daily",
        "dead_letter_reasons",
    )
    seen: list[Any] = [sorted(map(str, stored(ledger, f"SELECT * FROM {view}"))) for view in views]
    return [*seen, ledger.counts(), ledger.final_counts(), ledger.unsettled(), ledger.totals()]


def pruned(ledger: Ledger, before: datetime = LATER, *, keep_keys: bool = False) -> Any:
    return prune(ledger, before, keep_keys=keep_keys, by="ops", reason="old", stop=threading.Event())


def test_what_ended_goes_and_every_count_stays(ledger: Ledger) -> None:
    """Events with all that belongs to them, and letters without; what is open stays; no counter, no view differs."""
    everything(ledger)
    before = shown(ledger)
    assert ledger.miscounts() == []
    done = pruned(ledger)
    assert (done.events, done.attempts, done.dead_letters, done.duplicates) == (3, 3, 2, 1)
    assert rows(ledger) == {"deliveries": 3, "attempts": 2, "duplicates": 0, "dead_letters": 2}
    assert shown(ledger) == before
    assert ledger.miscounts() == []
    assert {row[0] for row in stored(ledger, "SELECT event_id FROM deliveries")} == {"x", "dead", "waits"}
    assert pruned(ledger).rows == 0
    assert total(ledger.search_events(EventFilter(), limit=5)) == 3
    entries = ledger.list_actions(limit=9).entries
    assert [(one.action, one.count, one.reason) for one in entries] == [
        ("prune", 9, "old"),
        ("prune", 0, "old"),
    ]
    assert entries[1].details == {"begun": True}


def test_the_audit_has_a_run_from_the_first_row_that_goes(ledger: Ledger) -> None:
    """Its beginning is there before the first batch is done with, also of letters that no event stands behind."""
    ledger.dead_letter_message(b"?", message("odd"), reason_text="what?", now=at(6))
    ledger.mark_discarded(open_ids(ledger), "ops", at(7))
    found: list[tuple[int, list[Any]]] = []

    def look() -> None:
        entries = ledger.list_actions(limit=9).entries
        found.append((rows(ledger)["dead_letters"], [(one.count, one.details) for one in entries]))

    prune(ledger, LATER, keep_keys=False, by="ops", reason=None, stop=threading.Event(), progress=look)
    assert found[0] == (1, []) and found[-1] == (0, [(0, {"begun": True})])


def total(page: EventPage) -> int | None:
    return page.total


def test_keys_can_be_kept(ledger: Ledger) -> None:
    """Then each event's own row stays, so nothing is sent twice; its attempts, duplicates and letters go."""
    everything(ledger)
    before, events = shown(ledger), rows(ledger)["deliveries"]
    done = pruned(ledger, keep_keys=True)
    assert (done.events, done.attempts, done.dead_letters, done.duplicates) == (0, 3, 2, 1)
    assert rows(ledger) == {"deliveries": events, "attempts": 2, "duplicates": 0, "dead_letters": 2}
    assert shown(ledger) == before and ledger.miscounts() == []
    assert pruned(ledger, keep_keys=True).rows == 0
    assert status(ledger, key("d1")) == "delivered"


def test_only_what_is_old_enough(ledger: Ledger) -> None:
    """What ended after the moment stays, however old its enqueue is."""
    deliver(ledger, claimed(ledger, "m1", key=KEY), 50)
    assert pruned(ledger, at(50)).rows == 0
    assert pruned(ledger, at(50.001)).events == 1


def test_many_pages(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than are read at once, those that stay between those that go; counts agree and nothing is left over."""
    monkeypatch.setattr("gong_worker.ledger.prune.READ_AT_ONCE", 7)
    monkeypatch.setattr(retention, "BATCH", 3)
    monkeypatch.setattr(retention, "LEAST_PAUSE_SECONDS", 0)
    for number in range(40):
        claim = claimed(ledger, f"m{number}", key=key(f"e{number}"), enqueued=number // 5)
        deliver(ledger, claim, 10) if number % 4 else dead_letter_event(ledger, claim, 10)
    assert ledger.count_old(LATER, keep_keys=False) == 30
    assert pruned(ledger).events == 30
    assert rows(ledger)["deliveries"] == rows(ledger)["dead_letters"] == 10
    assert ledger.miscounts() == []


def test_an_erased_event_stays_erased(ledger: Ledger) -> None:
    """With keys kept, its empty letter stays: only that says that the event must not be sent."""
    dead_letter_event(ledger, claimed(ledger, "m1"), 1)
    ledger.erase_letters(open_ids(ledger), "ops", at(2))
    assert pruned(ledger, keep_keys=True).dead_letters == 0
    assert rows(ledger)["dead_letters"] == 1


def test_pruned_while_workers_deliver(pipeline: Pipeline) -> None:
    """Events that are pruned as soon as they end come again all the while: no delivery fails, no count is wrong."""
    worker = pipeline.worker()
    stop = threading.Event()

    def prune_all() -> None:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        with patient_ledger(pipeline.services) as ledger:  # as the command does
            while not stop.is_set():
                with suppress(LedgerUnavailable):  # run again, it goes on
                    prune(ledger, tomorrow, keep_keys=False, by="ops", reason=None, stop=stop)

    pruner = threading.Thread(target=prune_all)
    pruner.start()
    try:
        with ViewQueue(pipeline.valkey.url) as queue:
            for _ in range(4):
                queue.enqueue_many([view(number) for number in range(60)])
        wait_until(lambda: pipeline.drained(), "the queue to drain", 90)
    finally:
        stop.set()
        pruner.join()
    assert pipeline.accepted() == {f"view-{number}" for number in range(60)}
    assert "action=delivery_failed" not in worker.log
    found = reconcile(pipeline.services)
    assert (found.drift, found.enqueued) == ([], 240)
    assert pipeline.ledger.miscounts() == []


def test_one_worker_prunes_once_a_day(pipeline: Pipeline, run: Command) -> None:
    """Of several workers one does, and none for a day after that; one that was stopped midway gives way."""
    ledger = pipeline.ledger
    deliver(ledger, claimed(ledger, "m1"), 1)

    def worker(stop: threading.Event) -> Retention:
        return Retention(pipeline.services, days=1, keep_keys=False, stop=stop)

    running, stopped = threading.Event(), threading.Event()
    stopped.set()
    worker(stopped).run()
    assert rows(ledger)["deliveries"] == 1
    worker(running).run()
    assert rows(ledger)["deliveries"] == 1, (
        "the one that was stopped has its turn until its lease has run out"
    )
    pipeline.redis.delete("gong-views.retention")
    worker(running).run()
    assert rows(ledger)["deliveries"] == 0
    deliver(ledger, claimed(ledger, "m2"), 1)
    worker(running).run()
    assert rows(ledger)["deliveries"] == 1
    entries = ledger.list_actions(limit=9).entries
    assert [(one.action, one.by, one.count) for one in entries] == [
        ("prune", "retention", 2),
        ("prune", "retention", 0),
    ]
    assert run("prune", "--older-than", "1d", "--dry-run") == {"dry_run": True, "events": 1}
    assert run("prune", "--older-than", "1d", "--yes")["events"] == 1


@on_sqlite
def test_an_age_has_a_unit(run: Command) -> None:
    """A number alone could be anything, and m could be months; and nothing is pruned without being asked."""
    assert "400d" in run("prune", "--older-than", "400", "--yes", exit_code=2)
    assert "--yes" in run("prune", "--older-than", "400d", exit_code=2)
    assert "--keep-keys" in run("prune", "--older-than", "1h", "--yes", exit_code=2)
    for months in ("12m", "59m", "0d"):
        assert "m is minutes" in run("prune", "--older-than", months, "--keep-keys", "--yes", exit_code=2)
    assert run("prune", "--older-than", "1h", "--keep-keys", "--yes")["events"] == 0
