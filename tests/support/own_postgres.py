"""A PostgreSQL of one's own that a test may kill and start again."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
