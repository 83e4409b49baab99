"""Strikes on the ledger's database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.soak.strikes.kind import strike
from tests.support.own_postgres import alter_database
from tests.support.pipeline import locked, sqlite_path

if TYPE_CHECKING:
    from tests.soak.schedule import Strike
    from tests.soak.world import World


@strike("parts", 2, 0.0, 2.0, ledger="postgresql")
def kill_postgres(world: World, it: Strike) -> None:
    """kill -9 of the postmaster."""
    assert world.postgres is not None
    world.postgres.kill()
    world.wait(it.seconds)
    world.postgres.start()


@strike("parts", 1, 0.5, 6.0, ledger="postgresql")
def postgres_refuses(world: World, it: Strike) -> None:
    """Every session ended, and none let in."""
    alter_database(world.line.database_url, "ALLOW_CONNECTIONS false")
    world.wait(it.seconds)
    alter_database(world.line.database_url, "ALLOW_CONNECTIONS true")


@strike("parts", 1, 0.5, 6.0, ledger="postgresql")
def postgres_read_only(world: World, it: Strike) -> None:
    """As after a failover to a standby."""
    alter_database(world.line.database_url, "SET default_transaction_read_only = on")
    world.wait(it.seconds)
    alter_database(world.line.database_url, "RESET default_transaction_read_only")


@strike("parts", 3, 0.2, 13.0, ledger="sqlite")
def lock_sqlite(world: World, it: Strike) -> None:
    """Another process keeps the write lock, also for longer than a writer waits."""
    with locked(Path(sqlite_path(world.line.database_url))):
        world.wait(it.seconds)
