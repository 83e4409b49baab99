"""Finding and deleting rows by what their payloads say, waiting or relayed: for the erasure of a person."""

from collections.abc import Callable, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from gong_views.outbox import rows
from gong_views.outbox.errors import translated
from gong_views.outbox.relay_lock import RelayLock
from gong_views.outbox.table import table

_PAGE: Final = 500
#: How long a relay on SQLite is waited for; a batch of one that is well takes less.
PATIENCE_SECONDS: Final = 10.0


class OutboxRows:
    """The rows of one backend's outbox. Methods raise OutboxUnavailable, OutboxMissing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = RelayLock(engine)

    def find(self, wanted: Callable[[str], bool]) -> list[tuple[int, str]]:
        """The id and the payload of each row that `wanted` says yes to; a page is one transaction."""
        found: list[tuple[int, str]] = []
        after = 0
        query = sa.select(table.c.id, table.c.payload).order_by(table.c.id).limit(_PAGE)
        while True:
            with translated(self._engine), rows.connect(self._engine) as connection:
                page = connection.execute(query.where(table.c.id > after)).all()
            if not page:
                return found
            # On SQLite a payload may be of any type.
            found += [(number, text) for number, text in ((n, str(p)) for n, p in page) if wanted(text)]
            after = page[-1].id

    def delete(self, ids: Sequence[int]) -> int:
        """Delete these rows, those that a relay has in hand excepted; how many.

        On SQLite they are overwritten, and the write-ahead log is emptied unless somebody reads.
        """
        deleted = 0
        sqlite = self._engine.dialect.name == "sqlite"
        for start in range(0, len(ids), _PAGE):
            with (
                self._lock.kept_out(PATIENCE_SECONDS) as nobody,
                translated(self._engine),
                rows.connect(self._engine) as connection,
            ):
                if sqlite:
                    connection.exec_driver_sql("PRAGMA secure_delete = ON")
                free = sa.select(table.c.id).where(table.c.id.in_(ids[start : start + _PAGE]))
                if not nobody:
                    free = free.where(table.c.relayed_at.is_not(None))
                found = connection.execute(free.with_for_update(skip_locked=True)).scalars().all()
                deleted += connection.execute(sa.delete(table).where(table.c.id.in_(found))).rowcount
                connection.commit()
        if sqlite and deleted:
            with translated(self._engine), rows.connect(self._engine) as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return deleted
