"""deploy/postgres/roles.sql run by psql on a test's PostgreSQL, and the URL of each role."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from tests.support.servers import Postgres

SCRIPT = Path(__file__).parents[2] / "deploy" / "postgres" / "roles.sql"
ROLES = ("owner", "worker", "console", "web", "dashboards")


class Roles:
    """The roles of one server and their database, whose name the script says."""

    def __init__(self, server: Postgres) -> None:
        self._server = server._server

    def run_script(self) -> None:
        """As an administrator would run it."""
        done = subprocess.run(
            [self._server.bin_path / "psql", self.administrators("postgres"), "--file", SCRIPT],
            env={**os.environ, **{f"{role.upper()}_PASSWORD": f"{role}'s \\ password" for role in ROLES}},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "password" not in self._server.log.read_text()

    def administrators(self, database: str) -> str:
        return str(self._server.get_uri(database=database))

    def url(self, role: str) -> str:
        """The DATABASE_URL of a role."""
        address = sa.make_url(self._server.get_uri(database="gong_views", driver="psycopg"))
        return address.set(username=f"gong_views_{role}").render_as_string(hide_password=False)

    def drop(self) -> None:
        """Leave the server as it was."""
        self._server.psql("DROP DATABASE gong_views WITH (FORCE);")
        for role in ROLES:
            self._server.psql(f"DROP ROLE gong_views_{role};")


@contextmanager
def ledger_roles(server: Postgres) -> Iterator[Roles]:
    """The roles and the database for the length of the block."""
    roles = Roles(server)
    roles.run_script()
    try:
        yield roles
    finally:
        roles.drop()
