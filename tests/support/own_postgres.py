"""A PostgreSQL of one's own that a test may kill and start again."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from gong_worker.ledger.engine import ledger_url
from tests.support.servers import Postgres, wait_until


class OwnPostgres(Postgres):
    """Its data outlive a kill -9."""

    def start(self) -> None:
        """Start it on the same data and the same socket."""

        def started() -> bool:
            try:
                with self._server._lock:
                    self._server.ensure_postgres_running()
            except subprocess.SubprocessError:
                return False  # what the dead one left in memory is not gone yet
            return True

        wait_until(started, "PostgreSQL to start again", 60)


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """A running one for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="gong-views-pg-") as folder:
        server = OwnPostgres(Path(folder))
        try:
            yield server
        finally:
            server.stop()


def alter_database(database_url: str, what: str) -> None:
    """ALTER DATABASE, and an end to every session on it, so that it takes effect."""
    address = ledger_url(database_url)
    admin = sa.create_engine(address.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {address.database} {what}"))
        altered_at = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
        # One that was being opened meanwhile may appear only now, with the setting of before.
        ended = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE (datname = :name OR datname IS NULL AND backend_type = 'client backend') AND backend_start <= :at"
        )
        values = {"name": address.database, "at": altered_at}
        wait_until(lambda: not connection.execute(sa.text(ended), values).all(), "the sessions to end")
    admin.dispose()
