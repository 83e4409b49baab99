"""Brings the ledger's schema to the state this version works on, and tells when it is not there."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from gong_views.private_files import make_private_file, make_private_folder
from gong_worker.ledger.engine import is_missing, ledger_url, open_engine
from gong_worker.ledger.errors import LedgerError, LedgerUnavailable, SchemaOutdated
from gong_worker.ledger.keys import make_keys
from gong_worker.ledger.revisions import known_revisions, scripts_path
from gong_worker.ledger.roles import grant_roles
from gong_worker.ledger.transactions import reading, translated

# Alembic takes a third of a command's start, and a schema that is as it should be needs none of it.
if TYPE_CHECKING:
    from alembic.config import Config

# Any constant will do, as long as every version of this program uses the same one.
_ADVISORY_LOCK: Final = 7_346_021_895_540_113
# What this one begins has to be in force, for all writers, before the next one reads.
COMMITTED_ALONE: Final = "0005"
# Which one makes the table of the installation's keys.
INSTALLATION_KEYS: Final = "0007"
# The steps until there, and all steps back, change one of these tables after another. Whoever has one of them and waits
# for another would end as a deadlock, so all are taken first, in the order in which workers do.
_BUSY_TABLES: Final = ("deliveries", "attempts", "duplicates", "dead_letters")
# A change of a table waits for its readers, and all others wait behind it. Rather than hold up the workers
# behind one long query, the migration gives up and is run again.
_LOCK_TIMEOUT_SECONDS: Final = 10
# Well below PostgreSQL's deadlock_timeout of a second, after which it would break off one of the two.
_LOCK_TRY_MS: Final = 200


def alembic_config(connection: sa.Connection | None = None) -> "Config":
    """Alembic's configuration; there is no alembic.ini."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts_path()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def migrate(url: str, revision: str = "head") -> None:
    """Bring the ledger at `url` up to `revision`; its roles have their rights then.

    Safe to run twice at once, and again after it was broken off. All of it or nothing, but for a ledger from before
    COMMITTED_ALONE, which is brought there first.

    Raises LedgerUnavailable; SchemaOutdated when the schema is newer than this program; LedgerError for an
    URL that is no ledger's.
    """
    from alembic import command

    target = known_revisions()[-1] if revision == "head" else revision
    for stop in (COMMITTED_ALONE, target):
        with _migrating(url) as connection:
            _refuse_newer(connection)
            current = _current(connection)
            if stop > target or (current is None and stop != target):
                continue  # not asked for, or a new ledger, in which there is nothing to count
            if current is not None and current < COMMITTED_ALONE and connection.dialect.name == "postgresql":
                lock_tables(connection, *_BUSY_TABLES)
            if current is None or current < stop:
                command.upgrade(alembic_config(connection), stop)
            if target >= INSTALLATION_KEYS and stop == target:
                make_keys(connection)
            if connection.dialect.name == "postgresql":
                grant_roles(connection)


def lock_tables(connection: sa.Connection, *tables: str) -> None:
    """Take these tables of PostgreSQL for the rest of the migration, before it changes the first of them.

    `deliveries` goes first, as in nearly all that a worker does: whoever has it comes to an end, nobody else begins.
    One that waits for a table of ours while we wait for one of its would still be a deadlock, so we wait a moment
    only, let go of all, and try again.
    """
    deadline = time.monotonic() + _LOCK_TIMEOUT_SECONDS
    while True:
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TRY_MS}ms'")
                connection.exec_driver_sql(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_SECONDS}s'")
            return
        except sa.exc.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOCK_TRY_MS / 1000 * random.random())  # noqa: S311 (no secret)


def downgrade(url: str, revision: str = "base") -> None:
    """Take the schema back to `revision`, all of it or nothing; from "base" nothing of the ledger is left."""
    from alembic import command

    with _migrating(url) as connection:
        if _current(connection) is not None and connection.dialect.name == "postgresql":
            lock_tables(connection, *_BUSY_TABLES)
        command.downgrade(alembic_config(connection), revision)
        if connection.dialect.name == "postgresql":
            grant_roles(connection)


def losses(url: str, revision: str) -> list[str]:
    """What a downgrade to `revision` loses, a line for each migration that it takes back, the latest first.

    Raises LedgerUnavailable; SchemaOutdated when the schema is newer than this program, or no newer than `revision`;
    LedgerError for a revision there is not.
    """
    from alembic.script import ScriptDirectory

    known = known_revisions()
    if revision not in known:
        raise LedgerError(f"there is no schema {revision!r}: {known[0]} to {known[-1]} are known")
    engine = open_engine(url)
    try:
        current = None
        if not is_missing(engine):
            with reading(engine) as connection:
                current = _current(connection)
                _refuse_newer(connection)
    finally:
        engine.dispose()
    if current is None or current <= revision:
        state = "has no schema yet" if current is None else f"has schema {current}"
        raise SchemaOutdated(f"the ledger {state}, so there is no way back to {revision}")
    scripts = ScriptDirectory.from_config(alembic_config()).iterate_revisions(current, revision)
    return [f"{script.revision}: {script.module.LOST}" for script in scripts]


def check_schema(engine: Engine) -> None:
    """Raise SchemaOutdated, saying what to run, unless the schema is this version's; LedgerUnavailable."""
    current = None
    if not is_missing(engine):
        with reading(engine) as connection:
            current = _current(connection)
            _refuse_newer(connection)
    head = known_revisions()[-1]
    if current != head:
        state = "has no schema yet" if current is None else f"has schema {current}, this version needs {head}"
        raise SchemaOutdated(f"the ledger {state}: run `gong-views migrate`")


def _current(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _refuse_newer(connection: sa.Connection) -> None:
    current = _current(connection)
    if current is not None and current not in known_revisions():
        raise SchemaOutdated(
            f"the ledger has schema {current}, which this version does not know: upgrade gong-views"
        )


@contextmanager
def _migrating(url: str) -> Iterator[sa.Connection]:
    """One transaction around the whole migration, which only one process at a time may be in."""
    address = ledger_url(url)
    if address.drivername == "sqlite":
        path = Path(str(address.database))
        try:
            make_private_folder(path.parent)
            make_private_file(path)  # SQLite gives its other files the same mode
        except OSError as error:
            raise LedgerUnavailable(f"the ledger cannot be made at {path}: {error.strerror}") from None
    engine = open_engine(url, patient=True)
    try:
        # On SQLite the transaction begins with the write lock, so it is the mutex itself.
        with translated(engine), engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                # Indexing millions of rows takes its time.
                connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
                connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
                connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
                connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_SECONDS}s'"))
            yield connection
    finally:
        engine.dispose()
