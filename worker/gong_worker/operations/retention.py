"""Pruning what ended long ago: by an operator's command, or once a day by one of the workers."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from gong_views.names import Lane
from gong_worker.domain.audit import AuditAction
from gong_worker.domain.states import Status
from gong_worker.failpoints import failpoint
from gong_worker.ledger import Ledger, Pruned
from gong_worker.ledger.audit import ActionFacts, audit_row
from gong_worker.ledger.prune import ENDED, Old
from gong_worker.operations.services import Services
from gong_worker.queue.daily import DailyLease

log = logging.getLogger(__name__)

BATCH = 200
#: The least pause between two batches. It is as long as the batch before it, so others have half of the time.
LEAST_PAUSE_SECONDS = 0.02


def prune(
    ledger: Ledger,
    before: datetime,
    *,
    keep_keys: bool,
    by: str,
    reason: str | None,
    stop: threading.Event,
    progress: Callable[[], object] = lambda: None,
) -> Pruned:
    """Delete what ended before then, batch by batch, until nothing is left or `stop`.

    The audit has when it began, with a count of 0, from the first batch that goes on, and how much it was in the end:
    a run that is killed leaves the former. `progress` is called after each batch. Raises LedgerUnavailable; run again,
    it goes on.
    """
    pruned = Pruned()

    def facts(count: int, details: Mapping[str, object]) -> ActionFacts:
        target = {"before": before.isoformat(), "keep_keys": keep_keys}
        return ActionFacts(
            by=by, at=datetime.now(UTC), count=count, target=target, reason=reason, details=details
        )

    def begun() -> dict[str, Any] | None:
        """For the first batch that is not empty: it and this row are there together, or neither is."""
        return None if pruned.rows else audit_row(AuditAction.PRUNE, **facts(0, {"begun": True}))

    try:
        for status, lane in ENDED:
            for batch in _batches(ledger, status, lane, before, keep_keys, stop):
                pruned.add(ledger.prune_events(batch, before, keep_keys=keep_keys, note=begun()))
                progress()
        while not stop.is_set() and (letters := ledger.prune_keyless_letters(before, BATCH, note=begun())):
            pruned.dead_letters += letters
            progress()
            stop.wait(LEAST_PAUSE_SECONDS)
    finally:
        if pruned.rows:
            ledger.record_action(AuditAction.PRUNE, **facts(pruned.rows, asdict(pruned)))
    ledger.tidy()
    return pruned


def _batches(
    ledger: Ledger, status: Status, lane: Lane, before: datetime, keep_keys: bool, stop: threading.Event
) -> Iterator[list[Old]]:
    """Some events at a time, an empty batch where many old ones are to stay; a pause after each."""
    after: Old | None = None
    while True:
        began = time.monotonic()
        found, after = ledger.old_events(status, lane, before, keep_keys=keep_keys, after=after)
        for start in range(0, max(1, len(found)), BATCH):
            if stop.is_set():
                return
            yield found[start : start + BATCH]
            stop.wait(max(LEAST_PAUSE_SECONDS, time.monotonic() - began))
            began = time.monotonic()
        if after is None:
            return


class Retention:
    """The retention settings' part of one worker: whoever takes the day's lease prunes. `days` is what is kept."""

    def __init__(self, services: Services, *, days: int, keep_keys: bool, stop: threading.Event) -> None:
        self._ledger = services.ledger
        self._lease = DailyLease(services.client)
        self._kept = timedelta(days=days)
        self._keep_keys = keep_keys
        self._stop = stop

    def run(self) -> None:
        """Prune, if nobody has today and nobody does right now. Raises RedisError, LedgerUnavailable."""
        if not self._lease.take():
            return
        before = datetime.now(UTC) - self._kept
        pruned = prune(
            self._ledger, before, keep_keys=self._keep_keys, by="retention", reason=None, stop=self._stop,
            progress=self._still_ours,
        )  # fmt: skip
        if pruned.rows:
            log.info("pruned", extra={"action": "pruned", **asdict(pruned)})
        if not self._stop.is_set():
            self._lease.done()

    def _still_ours(self) -> None:
        failpoint("pruned")
        if not self._lease.renew():
            raise redis.RedisError("another worker prunes by now")
