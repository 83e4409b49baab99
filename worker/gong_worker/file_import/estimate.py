"""What a file holds, without enqueuing anything."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gong_worker.file_import.records import Record

#: So many different event keys are told apart; of a longer file the rest counts as different.
KEYS_KEPT: Final = 1_000_000
ERRORS_KEPT: Final = 20


@dataclass(slots=True)
class Estimate:
    """What is in a file."""

    lines: int = 0
    events: int = 0
    rejected: int = 0
    calls: int = 0
    """Calls to Gong if every event is accepted at the first try: one for each event key."""
    calls_exact: bool = True
    """False when there were more keys than are told apart: then `calls` is the most it can be."""
    first_rejects: list[Record] = field(default_factory=list)


def estimate(records: Iterable[Record], *, keys_kept: int = KEYS_KEPT) -> Estimate:
    """Read and validate every record. Raises FileProblem, OSError."""
    found = Estimate()
    seen: set[bytes] = set()
    for record in records:
        found.lines = record.last_line
        if record.event is not None:
            found.events += 1
            key = hashlib.blake2b("\0".join(record.event.key).encode(errors="surrogatepass"), digest_size=8)
            if key.digest() in seen:
                continue
            found.calls += 1
            if len(seen) < keys_kept:
                seen.add(key.digest())
            else:
                found.calls_exact = False
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
