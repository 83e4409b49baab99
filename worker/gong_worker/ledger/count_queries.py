"""How many events and messages there are of each kind, in SQL that any connection to the ledger can run."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from gong_worker.domain.states import OPEN_STATUSES, Status

Execute = Callable[[str], Iterable[Any]]
"""Runs a statement in a transaction that reads one snapshot."""

_WORDS: Final = ", ".join(f"'{status}'" for status in OPEN_STATUSES)
_OPEN: Final = f"""
    SELECT status, count(*) FROM deliveries WHERE status IN ({_WORDS}) GROUP BY status
"""  # noqa: S608 (words of ours)
_ENDED: Final = """
    SELECT sum(accepted) + sum(already_reported), sum(dead), sum(duplicates),
           (SELECT sum(open) FROM dead_letter_counts)
      FROM message_counts
"""


def read_counts(execute: Execute) -> dict[str, int]:
    """Events by status (sending, waiting, delivered, dead), `duplicates`, `dead_letters_open`.

    The counters tell what has ended; of the events only those that are open are read, by an index.
    """
    opened = dict.fromkeys((status.value for status in OPEN_STATUSES), 0)
    opened |= {status: int(number) for status, number in execute(_OPEN)}
    (ended,) = execute(_ENDED)
    names = (Status.DELIVERED.value, Status.DEAD.value, "duplicates", "dead_letters_open")
    return opened | {name: int(number or 0) for name, number in zip(names, ended, strict=True)}
