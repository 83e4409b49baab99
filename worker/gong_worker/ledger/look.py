"""One look at the ledger's counts with the database's driver alone: a command need not load SQLAlchemy for them.

A look tells what it finds when all is well, and nothing else. A file or a server that is not there, another schema, an
address that says more than where: the ledger itself, which is loaded then, tells what is wrong in its own words.
"""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any, Final
from urllib.parse import quote

from gong_worker.domain.states import Status
from gong_worker.ledger.plain_address import plain_file, plain_server
from gong_worker.ledger.revisions import known_revisions

PATIENCE_SECONDS: Final = 2
"""The longest wait for a lock or an answer. The ledger, asked then, has its own."""

Execute = Callable[[str], Iterable[Any]]

_OPEN: Final = """
    SELECT status, count(*) FROM deliveries WHERE status IN ('sending', 'waiting') GROUP BY status
"""
_ENDED: Final = """
    SELECT sum(accepted) + sum(already_reported), sum(dead), sum(duplicates),
           (SELECT sum(open) FROM dead_letter_counts)
      FROM message_counts
"""


def read_counts(execute: Execute) -> dict[str, int]:
    """Events by status (sending, waiting, delivered, dead), `duplicates`, `dead_letters_open`, in one snapshot of both.

    The counters tell what has ended; of the events only those that are open are read, by an index.
    """
    opened = dict.fromkeys((Status.SENDING.value, Status.WAITING.value), 0)
    opened |= {status: int(number) for status, number in execute(_OPEN)}
    (ended,) = execute(_ENDED)
    names = (Status.DELIVERED.value, Status.DEAD.value, "duplicates", "dead_letters_open")
    return opened | {name: int(number or 0) for name, number in zip(names, ended, strict=True)}


def look(url: str) -> dict[str, int] | None:
    """`read_counts` of the ledger at `url` (SQLAlchemy's), or None."""
    try:
        if (path := plain_file(url)) is not None:
            return _look_into_file(path)
        if (server := plain_server(url)) is not None:
            return _ask_server(server)
    except Exception:  # noqa: S110 (whatever it is: the ledger, which is asked next, tells it)
        pass
    return None


def _look_into_file(path: str) -> dict[str, int] | None:
    address = f"file:{quote(path)}?mode=rw"  # what is not there is not made
    with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE_SECONDS)) as connection:
        connection.execute("BEGIN")
        return _counts_of_this_schema(connection.execute)


def _ask_server(address: dict[str, str]) -> dict[str, int] | None:
    import psycopg

    from gong_worker.ledger.bounded_connection import bounded_connection, connect_arguments

    arguments = {**address, **connect_arguments(), "connect_timeout": PATIENCE_SECONDS}
    with bounded_connection(PATIENCE_SECONDS).connect(**arguments) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute(f"SET statement_timeout = '{PATIENCE_SECONDS}s'")
        return _counts_of_this_schema(connection.execute)


def _counts_of_this_schema(execute: Execute) -> dict[str, int] | None:
    revisions = [revision for (revision,) in execute("SELECT version_num FROM alembic_version")]
    return read_counts(execute) if revisions == known_revisions()[-1:] else None
