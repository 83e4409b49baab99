"""One look at the ledger's counts with the database's driver alone: a command need not load SQLAlchemy for them.

A look tells what it finds when all is well, and nothing else. Of a file or a server that is not there, another schema,
an address that says more than where, it says nothing: the ledger itself is to be asked then, in its own way.
"""

import logging
import sqlite3
from contextlib import closing
from typing import Final
from urllib.parse import quote

from gong_worker.ledger.bounded_connection import bounded_connection, connect_arguments
from gong_worker.ledger.count_queries import Execute, read_counts
from gong_worker.ledger.plain_address import plain_file, plain_server
from gong_worker.ledger.revisions import known_revisions

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 2
"""How long a look waits for a lock, for a connection, and for each answer. The ledger, asked then, has its own."""


def look(url: str) -> dict[str, int] | None:
    """`read_counts` of the ledger at `url` (SQLAlchemy's), or None."""
    try:
        if (path := plain_file(url)) is not None:
            return _look_into_file(path)
        if (server := plain_server(url)) is not None:
            return _ask_server(server)
    except Exception as error:  # whatever it is: the ledger, which is asked next, tells it
        log.debug("no look at the ledger: %s", type(error).__name__)
    return None


def _look_into_file(path: str) -> dict[str, int] | None:
    address = f"file:{quote(path)}?mode=rw"  # what is not there is not made
    with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE_SECONDS)) as connection:
        connection.execute("BEGIN")
        return _counts_of_this_schema(connection.execute)


def _ask_server(address: dict[str, str]) -> dict[str, int] | None:
    import psycopg

    arguments = {**address, **connect_arguments(), "connect_timeout": PATIENCE_SECONDS}
    # The server gives up before we do, unless it is frozen.
    with bounded_connection(PATIENCE_SECONDS + 1).connect(**arguments) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute(f"SET LOCAL statement_timeout = '{PATIENCE_SECONDS}s'")
        return _counts_of_this_schema(connection.execute)


def _counts_of_this_schema(execute: Execute) -> dict[str, int] | None:
    revisions = [revision for (revision,) in execute("SELECT version_num FROM alembic_version")]
    return read_counts(execute) if revisions == known_revisions()[-1:] else None
