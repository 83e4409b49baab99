"""What operators, the console and the gate ask about events and calls."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa

from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.buckets import Hour, Minute, literal, parsed
from gong_worker.ledger.columns import utc
from gong_worker.ledger.errors import LedgerUnavailable
from gong_worker.ledger.models import ATTEMPTS, DEAD_LETTERS, DELIVERIES
from gong_worker.ledger.roles import missing_right
from gong_worker.ledger.transactions import outside_transactions, reading, writing
from gong_worker.ledger.values import AttemptReport, EventReport

_ATTEMPT_COLUMNS: Final = tuple(ATTEMPTS.c[name] for name in AttemptReport.__slots__)
_EVENT_COLUMNS: Final = tuple(
    DELIVERIES.c[name] for name in EventReport.__slots__ if name not in ("attempts", "dead_letter_ids")
)


class Reads(LedgerPart):
    """Events, their calls, and whether the ledger is there at all."""

    def ping(self) -> None:
        """Raise LedgerUnavailable unless a transaction that writes can be committed right now."""
        with writing(self.engine) as connection:
            if connection.dialect.name == "sqlite":
                # Writes a page, so that a full disk shows.
                version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
                connection.exec_driver_sql(f"PRAGMA user_version = {int(version)}")
            else:
                read_only = connection.exec_driver_sql("SHOW transaction_read_only").scalar_one()
                if read_only == "on":
                    raise LedgerUnavailable("the ledger is unavailable: the database is read-only")
                if (missing := missing_right(connection)) is not None:
                    raise LedgerUnavailable(
                        f"the ledger is unavailable: the database user lacks rights: GRANT {missing} to it"
                    )
                connection.exec_driver_sql("SELECT txid_current()")

    def server(self) -> tuple[str, datetime | None]:
        """The database's name and version, and its clock; None for SQLite, which has this machine's."""
        with reading(self.engine) as connection:
            if connection.dialect.name == "sqlite":
                return f"SQLite {connection.exec_driver_sql('SELECT sqlite_version()').scalar_one()}", None
            version = connection.exec_driver_sql("SHOW server_version").scalar_one()
            clock = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
            return f"PostgreSQL {version}", utc(clock)

    def tidy(self) -> None:
        """What a ledger on SQLite needs now and then: no deleted text left in its write-ahead log, and statistics.

        Deleted text is overwritten in the file itself; its earlier copies go with the log. While another process
        reads, the log stays until the next time.
        """
        if self.engine.dialect.name == "sqlite":
            with outside_transactions(self.engine) as execute:
                execute("PRAGMA wal_checkpoint(TRUNCATE)")
                execute("PRAGMA analysis_limit = 1000")
                execute("PRAGMA optimize")  # analyses a table that has grown much since the last time

    def event(self, event_id: str, reporting_system: str | None = None) -> list[EventReport]:
        """Every event of this id (one for each reporting system), with its calls and dead letters."""
        condition = DELIVERIES.c.event_id == event_id
        if reporting_system is not None:
            condition &= DELIVERIES.c.reporting_system == reporting_system
        with reading(self.engine) as connection:
            return list(_reports(connection, condition))

    def every_event(self) -> list[EventReport]:
        """All events with their calls and dead letters, by key, as of one instant: for a small ledger."""
        with reading(self.engine) as connection:
            return list(_reports(connection, sa.true()))

    def calls_per_minute(
        self, since: datetime, *, open_until: datetime | None = None
    ) -> list[tuple[datetime, int]]:
        """Calls started since, by minute (UTC), oldest first; what never reached Gong is no call.

        A call whose worker died is one: it may have arrived. Rows without an outcome that were begun after
        `open_until` are left out: they may still wait for their slot.
        """
        since = utc(since)
        is_open: sa.ColumnElement[bool] = ATTEMPTS.c.outcome.is_(None)
        if open_until is not None:
            is_open = sa.and_(is_open, ATTEMPTS.c.started_at <= utc(open_until))
        minute: Any = Minute(ATTEMPTS.c.started_at)
        first_hour = since.replace(minute=0, second=0, microsecond=0)
        query = (
            sa.select(minute, sa.func.count())
            .where(
                Hour(ATTEMPTS.c.started_at) >= literal(self.engine.dialect.name, first_hour),
                ATTEMPTS.c.started_at >= since,
                sa.or_(is_open, ATTEMPTS.c.outcome != AttemptOutcome.UNREACHABLE),
            )
            .group_by(minute)
            .order_by(minute)
        )
        with reading(self.engine) as connection:
            return [(parsed(start), number) for start, number in connection.execute(query)]


def _reports(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> Iterator[EventReport]:
    """Events in the order of their keys; their calls and letters are read beside them in the same order."""
    key = (DELIVERIES.c.event_id, DELIVERIES.c.reporting_system)
    events = connection.execute(sa.select(*_EVENT_COLUMNS).where(condition).order_by(*key)).all()
    calls = _by_event(connection, ATTEMPTS, _ATTEMPT_COLUMNS, ATTEMPTS.c.attempt_number, condition)
    letters = _by_event(connection, DEAD_LETTERS, (DEAD_LETTERS.c.id,), DEAD_LETTERS.c.id, condition)
    for row in events:
        where = (row.event_id, row.reporting_system)
        yield EventReport(
            **row._mapping,
            attempts=[AttemptReport(*values) for values in calls.get(where, ())],
            dead_letter_ids=[number for (number,) in letters.get(where, ())],
        )


def _by_event(
    connection: sa.Connection,
    table: sa.Table,
    columns: tuple[Any, ...],
    order: Any,
    condition: sa.ColumnElement[bool],
) -> dict[tuple[str, str], list[tuple[Any, ...]]]:
    own, event = table.c, DELIVERIES.c
    key = (own.event_id, own.reporting_system)
    query = (
        sa.select(*key, *columns)
        .join(
            DELIVERIES,
            sa.and_(event.event_id == own.event_id, event.reporting_system == own.reporting_system),
        )
        .where(condition)
        .order_by(*key, order)
    )
    found = connection.execute(query)
    return {where: [tuple(row[2:]) for row in group] for where, group in groupby(found, lambda row: row[:2])}
