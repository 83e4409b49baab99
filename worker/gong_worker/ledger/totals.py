"""Sums over all time, for metrics: from the counters, never from the rows that they count."""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from gong_views.names import Lane
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.counters import CALL_COUNTS, DEAD_LETTER_COUNTS, LATENCY_COUNTS, MESSAGE_COUNTS
from gong_worker.ledger.transactions import reading

FIRST_BUCKET_SECONDS: Final = 0.01
BUCKET_FACTOR: Final = 1.1
"""Bucket n of the latencies ends at 10 ms times 1.1 to the n (docs/ledger.md)."""
BUCKETS: Final = tuple(range(0, 169, 12))
"""The buckets whose ends are told: 15 from 10 ms to a day, each 3.1 times the one before."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """Deliveries of one lane by the time from enqueue to delivery. `up_to`: how many took no longer, by seconds."""

    count: int
    seconds: float
    up_to: dict[float, int]


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """calls: by outcome, `in_flight` for those without one. deliveries: by lane and resolution.

    letters, letters_open: dead letters ever written and those nobody has dealt with, by reason.
    """

    calls: dict[str, int]
    deliveries: dict[tuple[Lane, str], int]
    duplicates: dict[Lane, int]
    letters: dict[str, int]
    letters_open: dict[str, int]
    latencies: dict[Lane, Latencies]


class Totals(LedgerPart):
    """Reads of the counters as a whole."""

    def totals(self) -> LedgerTotals:
        """The sums of one instant."""
        calls, messages, letters = CALL_COUNTS.c, MESSAGE_COUNTS.c, DEAD_LETTER_COUNTS.c
        ends = (messages.accepted, messages.already_reported, messages.duplicates)
        by_lane = sa.select(messages.lane, *(sa.func.sum(end) for end in ends)).group_by(messages.lane)
        kinds = (letters.open, letters.replayed, letters.discarded, letters.superseded)
        by_reason = sa.select(letters.reason, *(sa.func.sum(kind) for kind in kinds)).group_by(letters.reason)
        by_outcome = sa.select(calls.outcome, sa.func.sum(calls.calls)).group_by(calls.outcome)
        with reading(self.engine) as connection:
            lanes = {Lane(lane): [int(n or 0) for n in sums] for lane, *sums in connection.execute(by_lane)}
            reasons = {name: [int(n or 0) for n in sums] for name, *sums in connection.execute(by_reason)}
            return LedgerTotals(
                calls={name: int(count or 0) for name, count in connection.execute(by_outcome)},
                deliveries={
                    (lane, resolution): count
                    for lane, sums in lanes.items()
                    for resolution, count in zip(("accepted", "already_reported"), sums[:2], strict=True)
                },
                duplicates={lane: sums[2] for lane, sums in lanes.items()},
                letters={reason: sum(sums) for reason, sums in reasons.items()},
                letters_open={reason: sums[0] for reason, sums in reasons.items()},
                latencies=_latencies(connection),
            )


def _latencies(connection: sa.Connection) -> dict[Lane, Latencies]:
    columns = LATENCY_COUNTS.c
    up_to = [sa.func.sum(columns.deliveries).filter(columns.bucket <= bucket) for bucket in BUCKETS]
    query = sa.select(
        columns.lane, sa.func.sum(columns.deliveries), sa.func.sum(columns.latency_ms), *up_to
    ).group_by(columns.lane)
    ends = [FIRST_BUCKET_SECONDS * BUCKET_FACTOR**bucket for bucket in BUCKETS]
    found = {lane: Latencies(0, 0.0, dict.fromkeys(ends, 0)) for lane in Lane}
    for lane, count, milliseconds, *counts in connection.execute(query):
        numbers = (int(number or 0) for number in counts)
        up_to_seconds = dict(zip(ends, numbers, strict=True))
        found[Lane(lane)] = Latencies(int(count), int(milliseconds) / 1000, up_to_seconds)
    return found
