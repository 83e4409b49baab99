"""Who else is connected to the ledger's database, before its schema goes back under them."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from gong_worker.ledger.bounded_connection import NAME
from gong_worker.ledger.engine import is_missing, open_engine
from gong_worker.ledger.errors import LedgerUnavailable
from gong_worker.ledger.transactions import outside_transactions, reading

_BUSY_MILLISECONDS: Final = 2000


def others_connected(url: str) -> list[str]:
    """The processes of this release that have a connection to the ledger at `url`, as people read them.

    On PostgreSQL by command; on SQLite only that some process, whichever it is, has the file open. One that has not
    used its ledger since it started is not seen. Raises LedgerUnavailable.
    """
    engine = open_engine(url)
    try:
        if is_missing(engine):
            return []
        return _sqlite(engine) if engine.dialect.name == "sqlite" else _postgres(engine)
    finally:
        engine.dispose()


def _postgres(engine: Engine) -> list[str]:
    query = sa.text(
        "SELECT application_name, count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND application_name LIKE :ours GROUP BY 1 ORDER BY 1"
    )
    with reading(engine) as connection:
        rows = connection.execute(query, {"ours": f"{NAME} %"}).all()
    return [f"{name} ({count} connections)" for name, count in rows]


def _sqlite(engine: Engine) -> list[str]:
    """Nobody can leave the write-ahead log while another has the file open; whoever opens it next is back in it."""
    try:
        with outside_transactions(engine) as execute:
            execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
            execute("PRAGMA journal_mode = DELETE")
            execute("PRAGMA journal_mode = WAL")
    except LedgerUnavailable as error:
        if "SQLITE_BUSY" not in str(error):
            raise
        return [f"a process that has {engine.url.database} open (`fuser` tells which)"]
    return []
