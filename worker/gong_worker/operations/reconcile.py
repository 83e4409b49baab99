"""What went in = what came out + what is still on its way, by lane and day."""

import time
from datetime import date
from typing import Any

from gong_views.names import Lane
from gong_worker.operations.intake import mirror_intake
from gong_worker.operations.office import Office
from gong_worker.queue import survey

ENDS = ("accepted", "already_reported", "duplicates", "dead", "discarded")
# While workers run, a message can be settled in the ledger and not yet gone from the queue, so a difference
# counts as drift only when this many looks in a row agree on it.
LOOKS = 3
MOST_LOOKS = 20
BETWEEN_SECONDS = 0.3


def reconcile(office: Office) -> dict[str, Any]:
    """The totals and the drift, ready for JSON; `drift` is empty when every message is accounted for.

    A positive drift is missing: it went in, and is neither settled nor in the queue. A negative one came out
    without having been counted in (counts lost with a wiped Redis).
    """
    agreed, last = 0, _look(office)
    for _ in range(MOST_LOOKS):
        if not last["drift"]:
            break
        time.sleep(BETWEEN_SECONDS)
        seen = _look(office)
        agreed = agreed + 1 if seen["drift"] == last["drift"] else 0
        last = seen
        if agreed >= LOOKS - 1:
            break
    if last["drift"]:
        last["unsettled_events"] = [
            {"lane": lane.value, "day": day.isoformat(), "events": events}
            for (lane, day), events in sorted(office.ledger.unsettled().items())
        ]
    return last


def _look(office: Office) -> dict[str, Any]:
    mirror_intake(office.client, office.ledger)
    queued, uncounted = survey.counted_by_lane_and_day(office.client)
    counts = survey.count(office.client)
    ends = office.ledger.ends()
    intake = office.ledger.intake()
    drift = []
    for lane, day in sorted({*queued, *ends, *intake}, key=lambda key: (key[1], key[0])):
        went_in = intake.get((lane, day), 0)
        came_out = _sum(ends, lane, day)
        waiting = queued[lane, day]
        if missing := went_in - came_out - waiting:
            drift.append({"lane": lane.value, "day": day.isoformat(), "missing": missing})
    return {
        "enqueued": sum(intake.values()),
        "delivered": _total(ends, "accepted"),
        **{name: _total(ends, name) for name in ENDS[1:]},
        "queued": counts.live + counts.bulk + counts.delayed + counts.unreadable,
        "in_flight": counts.unacked,
        "uncounted_in_queue": uncounted,
        "drift": drift,
    }


def _sum(ends: dict[tuple[Lane, date], Any], lane: Lane, day: date) -> int:
    end = ends.get((lane, day))
    return 0 if end is None else sum(getattr(end, name) for name in ENDS)


def _total(ends: dict[tuple[Lane, date], Any], name: str) -> int:
    return sum(getattr(end, name) for end in ends.values())
