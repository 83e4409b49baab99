"""The PostgreSQL side of the engine: every wait has an end, on the server and on this machine."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Engine

from gong_worker.ledger.bounded_connection import bounded_connection, connect_arguments
from gong_worker.ledger.errors import LedgerError

LOCK_TIMEOUT_SECONDS: Final = 5
STATEMENT_TIMEOUT_SECONDS: Final = 30
IDLE_IN_TRANSACTION_SECONDS: Final = 30
# The server gives up before we do, unless it is frozen.
ANSWER_TIMEOUT_SECONDS: Final = STATEMENT_TIMEOUT_SECONDS + 5
_RECYCLE_SECONDS: Final = 1800

_SESSION: Final = f"""
    SET TIME ZONE 'UTC';
    SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s';
    SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS}s';
    SELECT set_config('synchronous_commit', 'on', false)
     WHERE current_setting('synchronous_commit') = 'off';
"""


def open_postgres(
    address: URL,
    *,
    pool_timeout: float,
    statement_timeout_seconds: int = STATEMENT_TIMEOUT_SECONDS,
    answer_timeout_seconds: float = ANSWER_TIMEOUT_SECONDS,
) -> Engine:
    """The engine of a PostgreSQL ledger. Raises LedgerError when psycopg is not installed."""
    try:
        bounded = bounded_connection(answer_timeout_seconds)
    except ImportError:
        raise LedgerError("PostgreSQL needs its driver: pip install 'gong-views[postgres]'") from None
    engine = sa.create_engine(
        address,
        hide_parameters=True,
        connect_args=connect_arguments(),
        pool_pre_ping=True,
        # All of them are kept: an overflow beside a small pool opens and closes a connection for each use.
        pool_size=15,
        max_overflow=0,
        pool_timeout=pool_timeout,
        pool_recycle=_RECYCLE_SECONDS,
        isolation_level="READ COMMITTED",
    )

    @event.listens_for(engine, "do_connect")
    def _on_do_connect(dialect: Any, record: Any, args: Any, params: Any) -> Any:
        return bounded.connect(*args, **params)

    @event.listens_for(engine, "connect", insert=True)
    def _on_connect(connection: Any, record: Any) -> None:
        connection.autocommit = True
        connection.execute(_SESSION)
        connection.execute(f"SET statement_timeout = '{statement_timeout_seconds}s'")
        connection.autocommit = False

    return engine
