"""One transaction, its lock, and the translation of what databases raise into the ledger's errors."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Engine

from gong_worker.ledger.engine import BUSY_TIMEOUT_SECONDS, READ_ONLY
from gong_worker.ledger.errors import LedgerRefused, LedgerUnavailable

# SQLite lets writers poll for their turn. Threads of one process queue here instead, by file.
_writers: Final[dict[str | None, threading.Lock]] = {}


@contextmanager
def writing(engine: Engine) -> Iterator[sa.Connection]:
    """A transaction that writes: committed at the end of the block, rolled back when it raises.

    Raises LedgerUnavailable, LedgerRefused.
    """
    with translated(engine), turn(engine), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[sa.Connection]:
    """A transaction that reads one snapshot of the ledger. Raises LedgerUnavailable."""
    options: dict[str, object] = {READ_ONLY: True}
    if engine.dialect.name == "postgresql":
        # Not `postgresql_readonly`: SQLAlchemy resets it to READ WRITE, with which the connection's later
        # transactions would write in spite of a database that is set to read-only.
        options |= {"isolation_level": "REPEATABLE READ"}
    with translated(engine), engine.connect() as connection, connection.execution_options(**options).begin():
        yield connection


@contextmanager
def outside_transactions(engine: Engine) -> Iterator[Callable[[str], object]]:
    """SQLite's own `execute`, for what it does in no transaction. Raises LedgerUnavailable."""
    with translated(engine), engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        yield driver.execute


@contextmanager
def turn(engine: Engine) -> Iterator[None]:
    if engine.dialect.name != "sqlite":
        yield
        return
    lock = _writer(engine.url.database)
    if not lock.acquire(timeout=BUSY_TIMEOUT_SECONDS):
        raise LedgerUnavailable(f"the ledger is busy: no turn to write within {BUSY_TIMEOUT_SECONDS} s")
    try:
        yield
    finally:
        lock.release()


def _writer(file: str | None) -> threading.Lock:
    return _writers.get(file) or _writers.setdefault(file, threading.Lock())


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turns a database's errors into the ledger's.

    The original is not chained: a driver's text may quote a row, and a traceback would print it.
    """
    try:
        yield
    except exc.DBAPIError as error:
        raise _ledger_error(error.orig, engine) from None
    except _driver_error(engine) as error:
        raise _ledger_error(error, engine) from None
    except exc.StatementError as error:
        # A value that its column's type refused before anything was sent.
        if isinstance(error.orig, (ValueError, TypeError, OverflowError)):
            raise error.orig from None
        raise
    except exc.TimeoutError:
        raise LedgerUnavailable("the ledger is unavailable: all of its connections are busy") from None
    except exc.DisconnectionError:
        raise LedgerUnavailable("the ledger is unavailable: the connection broke") from None


def _driver_error(engine: Engine) -> type[Exception]:
    """The root of the errors of the engine's driver."""
    error: type[Exception] = engine.dialect.loaded_dbapi.Error
    return error


def _ledger_error(error: BaseException | None, engine: Engine) -> LedgerUnavailable | LedgerRefused:
    driver = engine.dialect.loaded_dbapi
    state = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    name = type(error).__name__ + (f" ({state})" if state else "")
    if isinstance(error, (driver.IntegrityError, driver.DataError)):
        return LedgerRefused(f"the ledger refused a value: {name}")
    return LedgerUnavailable(f"the ledger is unavailable: {_reason(error, engine)} [{name}]")


def _reason(error: BaseException | None, engine: Engine) -> str:
    """The driver's own words, without a row it may quote (PostgreSQL's DETAIL) and without the password."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    text = str(primary or error).strip().split("\n")[0]
    password = engine.url.password
    text = text.replace(str(password), "***") if password else text
    return text + _TRUST if "certificate" in text else text


_TRUST: Final = (
    "; see that it has not expired, name the host as its certificate does, and the file of the CA that signed it: "
    "DATABASE_URL=postgresql://…?sslmode=verify-full&sslrootcert=/path/to/ca.pem"
)
