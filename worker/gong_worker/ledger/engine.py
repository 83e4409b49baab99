"""Opens the ledger's database with everything that makes its commits durable and its waits bounded."""

import socket
import sqlite3
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from gong_worker.ledger.errors import LedgerError

# How long one writer waits for the others. Commits take milliseconds, so this long means that one hangs.
BUSY_TIMEOUT_SECONDS: Final = 10
_POOL_TIMEOUT_SECONDS: Final = 10
_PATIENCE_SECONDS: Final = 3600

_FILE: Final = "ledger_file"
#: Execution option of a connection that only reads: no write lock is taken on SQLite.
READ_ONLY: Final = "ledger_read_only"


def parse_url(url: str, variable: str) -> URL:
    """A SQLAlchemy URL. LedgerError, which names the variable and does not repeat the URL, if it cannot be read."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        address = None
    # An @ or / of a password that is not escaped ends up in the host, which the driver's errors quote.
    if address is None or "@" in f"{address.host}{address.database}{address.port}":
        raise LedgerError(
            f"{variable} is no database address: use sqlite:////path/to/file.db or postgresql://user@host/name; "
            "in a password write @ as %40, / as %2F, : as %3A and % as %25"
        )
    return address


def ledger_url(url: str) -> URL:
    """`url` with the driver this project uses.

    Raises LedgerError for anything but a SQLite file or a PostgreSQL database; the text holds no password.
    """
    parsed = parse_url(url, "DATABASE_URL")
    match parsed.drivername.split("+")[0]:
        case "sqlite":
            if parsed.database in (None, "", ":memory:") or "mode=memory" in str(parsed.query):
                raise LedgerError(
                    "the ledger has to survive its process: give SQLite a file, sqlite:////path/to/ledger.db"
                )
            return parsed.set(drivername="sqlite")
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise LedgerError(
                f"the ledger runs on SQLite and PostgreSQL, not on {other}: change DATABASE_URL"
            )


def open_engine(url: str, *, patient: bool = False) -> Engine:
    """The engine of the ledger at `url` (a SQLAlchemy URL). Nothing is connected yet.

    A patient one waits an hour where others give up within seconds: for a migration, or to read the whole ledger.

    Bound parameters hold personal data, so they are kept out of every error. Raises LedgerError for an URL
    that cannot be a ledger, or when the PostgreSQL driver is not installed.
    """
    address = ledger_url(url)
    if address.drivername == "sqlite":
        return _sqlite(address, _PATIENCE_SECONDS if patient else BUSY_TIMEOUT_SECONDS)
    from gong_worker.ledger.postgres import open_postgres

    if not patient:
        return open_postgres(address, pool_timeout=_POOL_TIMEOUT_SECONDS)
    return open_postgres(
        address,
        pool_timeout=_POOL_TIMEOUT_SECONDS,
        statement_timeout_seconds=_PATIENCE_SECONDS,
        answer_timeout_seconds=_PATIENCE_SECONDS,
    )


def is_missing(engine: Engine) -> bool:
    """Whether this is SQLite's, and its file is not there."""
    return engine.dialect.name == "sqlite" and file_of(engine) is None


def file_of(engine: Engine) -> tuple[int, int] | None:
    """Device and inode of SQLite's file; None when it is not there, and for PostgreSQL.

    A file that was deleted or replaced lives on for whoever has it open: what is written there is lost.
    """
    if engine.dialect.name != "sqlite":
        return None
    name = str(engine.url.database)
    if name.startswith("file:"):  # SQLite's own URI, as `?uri=true` allows
        name = unquote(urlsplit(name).path)
    try:
        found = Path(name).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def place_of(engine: Engine) -> str:
    """Where the ledger is, without user and password: tells one from another."""
    url = engine.url
    if engine.dialect.name == "sqlite":
        return f"{socket.gethostname()}:{Path(str(url.database)).resolve()}"
    return f"{url.host or url.query.get('host') or socket.gethostname()}:{url.port or 5432}/{url.database}"


def _sqlite(address: URL, busy_timeout_seconds: float) -> Engine:
    engine = sa.create_engine(
        address,
        hide_parameters=True,
        connect_args={"timeout": busy_timeout_seconds},
        pool_size=5,
        max_overflow=100,  # a connection is a file handle here: one for each thread of a worker
        pool_timeout=_POOL_TIMEOUT_SECONDS,
    )

    @event.listens_for(engine, "do_connect")
    def _on_do_connect(dialect: Any, record: Any, args: Any, params: Any) -> None:
        # SQLite would make an empty file for whoever looks; only a migration makes a ledger.
        if is_missing(engine):
            raise sqlite3.OperationalError("there is no such file; `gong-views migrate` makes it")

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, record: Any) -> None:
        record.info[_FILE] = file_of(engine)
        connection.isolation_level = None  # the driver must not begin transactions of its own
        # secure_delete: what is deleted is overwritten, or a payload could be read in the file afterwards.
        for pragma in ("synchronous = FULL", "foreign_keys = ON", "fullfsync = ON", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
        # Kept in the file, so set once: changing it needs the file for oneself.
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")

    @event.listens_for(engine, "checkout")
    def _on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
        if record.info[_FILE] != file_of(engine):
            raise DisconnectionError

    @event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        # A transaction that reads first and writes later fails at once when another wrote in between, without
        # waiting; one that takes the write lock at its start waits its turn.
        read_only = connection.get_execution_options().get(READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
