"""The table, made and removed from a backend's Alembic migration."""

import io

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from gong_views import outbox
from gong_views.outbox import rows
from gong_views.outbox.table import WAITING_INDEX
from tests.integration.outbox.support import add_many, backend_engine, operations
from tests.support.views import view


def test_the_migrated_table_is_the_table_that_the_code_uses(engine: sa.Engine) -> None:
    """Alembic finds no difference between what the steps make and `outbox.table`, as a backend copies it."""
    metadata = sa.MetaData()
    outbox.table.to_metadata(metadata)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or name != "orders"}
        )
        assert compare_metadata(context, metadata) == []


def test_create_all_makes_the_same_table(database_url: str) -> None:
    """A backend without migrations creates the table with `outbox.metadata.create_all`, and it works."""
    engine = backend_engine(database_url)
    outbox.metadata.create_all(engine)
    add_many(engine, [1])
    with engine.connect() as connection:
        names = {index["name"] for index in sa.inspect(connection).get_indexes("gong_views_outbox")}
    assert names == {"ix_gong_views_outbox_waiting", "ix_gong_views_outbox_created_at"}
    engine.dispose()


def test_the_downgrade_leaves_nothing(engine: sa.Engine) -> None:
    """downgrade removes table and indexes, and the upgrade can be run again."""
    with engine.begin() as connection:
        outbox.schema.downgrade(operations(connection), version=1)
        assert "gong_views_outbox" not in sa.inspect(connection).get_table_names()
    with engine.begin() as connection:
        outbox.schema.upgrade(operations(connection), version=1)
    add_many(engine, [1])


def test_the_downgrade_refuses_to_lose_events(engine: sa.Engine) -> None:
    """A table in which events wait is not dropped unless the migration says that they may be lost."""
    add_many(engine, range(3))
    with engine.connect() as connection:
        with pytest.raises(outbox.OutboxNotEmpty, match=r"3 events.*gong-views relay --once"):
            outbox.schema.downgrade(operations(connection), version=1)
        connection.rollback()
        outbox.schema.downgrade(operations(connection), version=1, discard=True)
        connection.commit()


@pytest.mark.parametrize("version", [0, 2, -1])
def test_a_version_that_does_not_exist_is_refused(version: int) -> None:
    """A migration written for a newer release fails before it touches anything."""
    with pytest.raises(ValueError, match="versions 1 to 1"):
        outbox.schema.upgrade(None, version=version)
    with pytest.raises(ValueError, match="versions 1 to 1"):
        outbox.schema.downgrade(None, version=version)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_steps_run_offline(dialect: str) -> None:
    """`alembic upgrade --sql` writes the whole script without a database."""
    script = io.StringIO()
    context = MigrationContext.configure(
        dialect_name=dialect, opts={"as_sql": True, "output_buffer": script, "literal_binds": True}
    )
    outbox.schema.upgrade(Operations(context), version=1)
    outbox.schema.downgrade(Operations(context), version=1)
    text = script.getvalue()
    assert "CREATE TABLE gong_views_outbox" in text
    assert f"CREATE INDEX {WAITING_INDEX} ON gong_views_outbox (id) WHERE relayed_at IS NULL" in text
    assert "DROP TABLE gong_views_outbox" in text


def test_a_relay_does_not_read_the_rows_it_has_relayed(engine: sa.Engine) -> None:
    """The query for waiting rows uses the partial index, so that kept rows cost a poll nothing."""
    add_many(engine, range(2000))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE gong_views_outbox SET relayed_at = created_at WHERE id > 5"))
        connection.execute(sa.text("ANALYZE"))
    seen: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    with rows.connect(engine) as connection:
        assert len(rows.take(connection, 100)) == 5
        explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
        parameters = (100, 0) if engine.dialect.name == "sqlite" else {"param_1": 100}
        plan = connection.exec_driver_sql(explain + seen[-1], parameters).all()
    assert WAITING_INDEX in str(plan)


def test_ids_never_come_back(engine: sa.Engine) -> None:
    """A row's id names one event for good, also after all rows were deleted."""
    add_many(engine, [1, 2])
    with engine.begin() as connection:
        connection.execute(sa.delete(outbox.table))
        outbox.add(connection, view(3))
        assert connection.execute(sa.select(outbox.table.c.id)).scalar_one() == 3
