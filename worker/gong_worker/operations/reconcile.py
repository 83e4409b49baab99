"""What went in = what came out + what is still on its way, by lane and day.

The counts are in two stores and cannot be read at one instant, while producers and workers go on. So each look
reads the ledger before and after the queue, which gives two bounds: what surely is missing, however the
messages moved meanwhile, and what surely came out without having gone in. At rest the two are one number.
"""

import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime

from gong_views.names import Lane
from gong_worker.domain.audit import AuditAction
from gong_worker.domain.reasons import check_reason
from gong_worker.ledger import ReconciliationSnapshot
from gong_worker.operations.enqueue_counts import mirror_enqueue_counts
from gong_worker.operations.serialize import to_json
from gong_worker.operations.services import Services
from gong_worker.queue import inspect

FINAL = ("accepted", "already_reported", "duplicates", "dead", "discarded")
# A message that moves against the order in which the queue is read (given back, restored, due again) escapes
# one look, but not all of them.
LOOKS = 4
BETWEEN_SECONDS = 0.3

LaneDay = tuple[Lane, date]


@dataclass(frozen=True, slots=True)
class LaneDrift:
    """Messages of a lane and day (of their enqueue, UTC) that are missing; negative: uncounted ones that came out."""

    lane: Lane
    day: date
    missing: int


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Events of a lane and day that the ledger has taken up and not settled."""

    lane: Lane
    day: date
    events: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Messages by what became of them. `drift` is empty when every one is accounted for.

    unsettled_events: told when there is drift. uncounted_in_queue: of producers that do not count them. written_off:
    missing ones that an operator has accepted as such.
    """

    enqueued: int
    delivered: int
    already_reported: int
    duplicates: int
    dead: int
    discarded: int
    queued: int
    in_flight: int
    uncounted_in_queue: int
    written_off: int
    drift: list[LaneDrift]
    unsettled_events: list[Unsettled]


@dataclass(frozen=True)
class _Look:
    """The drift of each lane and day at one look, where there is any, and the totals."""

    drift: dict[LaneDay, int]
    totals: dict[str, int]


def reconcile(services: Services) -> Reconciliation:
    """The totals and the drift.

    A positive drift is missing: it went in, and is neither settled nor in the queue. A negative one came out
    without having been counted in (counts lost with a wiped Redis). Only what several looks in a row agree on
    is drift.
    """
    look = _look(services)
    drift = look.drift
    for _ in range(LOOKS - 1):
        if not drift:
            break
        time.sleep(BETWEEN_SECONDS)
        look = _look(services)
        drift = {key: _nearer_zero(was, look.drift.get(key, 0)) for key, was in drift.items()}
        drift = {key: missing for key, missing in drift.items() if missing}
    missing = [
        LaneDrift(lane, day, drift[lane, day])
        for lane, day in sorted(drift, key=lambda key: (key[1], key[0]))
    ]
    unsettled = sorted(services.ledger.unsettled().items()) if drift else []
    events = [Unsettled(lane, day, number) for (lane, day), number in unsettled]
    return Reconciliation(**look.totals, drift=missing, unsettled_events=events)


def accept_drift(services: Services, drift: list[LaneDrift], *, by: str, reason: str) -> None:
    """Write off the drift that a reconciliation has found: from now on it is no drift, and the audit has it.

    Raises BadReason.
    """
    check_reason(reason)
    # The audit first: what is written off without a word of it would be a loss that nobody can find any more.
    services.ledger.record_action(
        AuditAction.WRITE_OFF, by=by, at=datetime.now(UTC), count=sum(abs(row.missing) for row in drift),
        reason=reason, details={"drift": to_json(drift)},
    )  # fmt: skip
    services.ledger.write_off({(row.lane, row.day): row.missing for row in drift})


def _look(services: Services) -> _Look:
    before = _snapshot(services)
    queued, uncounted = inspect.counted_by_lane_and_day(services.client)
    counts = inspect.count(services.client)
    after = _snapshot(services)
    drift = {}
    for key in {
        *queued,
        *before.enqueue_counts,
        *after.enqueue_counts,
        *before.written_off,
        *after.written_off,
        *before.final_counts,
        *after.final_counts,
    }:
        surely_missing = _expected(before, key) - queued[key] - _ended(after, key)
        surely_too_many = _expected(after, key) - queued[key] - _ended(before, key)
        if surely_missing > 0:
            drift[key] = surely_missing
        elif surely_too_many < 0:
            drift[key] = surely_too_many
    ends: Counter[str] = Counter()
    for end in after.final_counts.values():
        ends.update({name: getattr(end, name) for name in FINAL})
    totals = {
        "enqueued": sum(after.enqueue_counts.values()),
        "delivered": ends["accepted"],
        **{name: ends[name] for name in FINAL[1:]},
        "queued": counts.live + counts.bulk + counts.delayed + counts.unreadable + counts.held,
        "in_flight": counts.unacked,
        "uncounted_in_queue": uncounted,
        "written_off": sum(after.written_off.values()),
    }
    return _Look(drift, totals)


def _snapshot(services: Services) -> ReconciliationSnapshot:
    mirror_enqueue_counts(services.client, services.ledger)
    return services.ledger.reconciliation_snapshot()


def _expected(snapshot: ReconciliationSnapshot, key: LaneDay) -> int:
    """Messages of which something should be known."""
    return snapshot.enqueue_counts.get(key, 0) - snapshot.written_off.get(key, 0)


def _ended(snapshot: ReconciliationSnapshot, key: LaneDay) -> int:
    end = snapshot.final_counts.get(key)
    return 0 if end is None else end.total


def _nearer_zero(one: int, other: int) -> int:
    """The part that both say; 0 when they say the opposite."""
    if one > 0:
        return max(0, min(one, other))
    return min(0, max(one, other))
