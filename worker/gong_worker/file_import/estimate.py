"""What a file would cost, without enqueuing anything."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gong_views.event import EventKey
from gong_worker.file_import.records import Record

DISTINCT_KEPT: Final = 500_000
ERRORS_KEPT: Final = 20


class DistinctKeys:
    """Counts different event keys in bounded memory: exactly up to `limit`, to about 0.2 % beyond.

    Adaptive sampling: of the keys' hashes only those are kept that begin with `level` zero bits, and each
    stands for 2^level keys.
    """

    def __init__(self, limit: int = DISTINCT_KEPT) -> None:
        self._limit = limit
        self._seen: set[int] = set()
        self._level = 0

    def add(self, key: EventKey) -> None:
        """Count this key unless it was counted."""
        text = "\0".join(key).encode(errors="surrogatepass")
        number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
        if number >> (64 - self._level):
            return
        self._seen.add(number)
        while len(self._seen) > self._limit:
            self._level += 1
            self._seen = {kept for kept in self._seen if not kept >> (64 - self._level)}

    @property
    def count(self) -> int:
        """How many different keys."""
        return len(self._seen) << self._level

    @property
    def exact(self) -> bool:
        """Whether `count` is exact."""
        return self._level == 0


@dataclass(slots=True)
class Estimate:
    """What is in a file and what it costs."""

    lines: int = 0
    events: int = 0
    rejected: int = 0
    keys: DistinctKeys = field(default_factory=DistinctKeys)
    first_rejects: list[Record] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """Calls to Gong if every event is accepted at the first try: one for each event key."""
        return self.keys.count


def estimate(records: Iterable[Record]) -> Estimate:
    """Read and validate every record. Raises FileProblem, OSError."""
    found = Estimate()
    for record in records:
        found.lines = record.last_line
        if record.event is not None:
            found.events += 1
            found.keys.add(record.event.key)
        elif record.errors:
            found.rejected += 1
            if len(found.first_rejects) < ERRORS_KEPT:
                found.first_rejects.append(record)
    return found


def seconds_needed(calls: int, *, per_second: float, per_day: int) -> float:
    """How long that many calls take on an idle system: days at the day's limit, then the rest evenly."""
    days, rest = divmod(calls, per_day)
    if days and not rest:
        days, rest = days - 1, per_day
    return days * 86_400 + rest / per_second
