"""The schema: as the models say, brought up to date by anyone at any moment, checked at start."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gong_worker.ledger import LedgerError, SchemaOutdated, check_schema, migrate, open_engine
from gong_worker.ledger.indexes import ONLY_IN_MIGRATIONS, SCHEMA
from gong_worker.ledger.revisions import known_revisions
from gong_worker.ledger.schema import alembic_config, downgrade, losses

VIEWS = {
    "outcomes_hourly", "answers_hourly", "dead_letter_reasons", "latency_hourly", "calls_daily", "deliveries_daily",
}  # fmt: skip


def names(url: str) -> set[str]:
    """Tables and views of the database."""
    engine = open_engine(url)
    inspector = sa.inspect(engine)
    found = {*inspector.get_table_names(), *inspector.get_view_names()}
    engine.dispose()
    return found


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_the_models_are_the_schema(database_url: str) -> None:
    """What the code believes about the tables is what the migrations make."""
    migrate(database_url)
    engine = open_engine(database_url)
    others = ONLY_IN_MIGRATIONS[engine.dialect.name]
    options = {"include_object": lambda item, name, *_: name not in others}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, SCHEMA) == []
        catalogue = {
            "sqlite": "SELECT name FROM sqlite_master",
            "postgresql": "SELECT indexname FROM pg_indexes",
        }[engine.dialect.name]
        assert set(connection.execute(sa.text(catalogue)).scalars()) >= others
    engine.dispose()


def test_down_and_up_again(database_url: str) -> None:
    """Nothing is left of the ledger at the base, and it can be made anew; twice is as good as once."""
    migrate(database_url)
    migrate(database_url)
    assert names(database_url) >= VIEWS | set(SCHEMA.tables)
    downgrade(database_url)
    assert names(database_url) - {"sqlite_sequence"} == {"alembic_version"}
    migrate(database_url)
    assert names(database_url) >= VIEWS


def set_version(url: str, version: str | None) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM alembic_version"))
        if version:
            connection.execute(sa.text(f"INSERT INTO alembic_version VALUES ('{version}')"))
    engine.dispose()


def test_an_empty_database_is_outdated(database_url: str) -> None:
    """The text says what to run."""
    with pytest.raises(SchemaOutdated, match="no schema yet: run `gong-views migrate`"):
        check_schema(open_engine(database_url))


def test_an_older_schema_is_outdated(database_url: str) -> None:
    """A known revision that is not the newest: run the migration."""
    migrate(database_url)
    check_schema(open_engine(database_url))
    oldest, *_, head = known_revisions()
    set_version(database_url, oldest)
    with pytest.raises(
        SchemaOutdated, match=f"has schema {oldest}, this version needs {head}: run `gong-views migrate`"
    ):
        check_schema(open_engine(database_url))


def test_the_files_names_tell_the_revisions() -> None:
    """What the check at start reads from the names of the migrations' files is what Alembic reads in them."""
    scripts = ScriptDirectory.from_config(alembic_config())
    assert known_revisions() == [script.revision for script in reversed(list(scripts.walk_revisions()))]


def test_every_way_back_says_what_it_loses(tmp_path: Path) -> None:
    """Each migration but the first has a line for the operator who takes it back."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    first, *others = known_revisions()
    assert [line.partition(": ")[0] for line in losses(url, first)] == others[::-1]


def test_a_newer_schema_wants_a_newer_program(database_url: str) -> None:
    """Neither the worker nor a migration touches a schema it does not know."""
    migrate(database_url)
    set_version(database_url, "9999")
    for action in (lambda: check_schema(open_engine(database_url)), lambda: migrate(database_url)):
        with pytest.raises(SchemaOutdated, match=r"9999.*upgrade gong-views"):
            action()


def test_several_processes_migrate_at_once(database_url: str) -> None:
    """One does the work, the others find it done."""
    program = "import sys; from gong_worker.ledger import migrate; migrate(sys.argv[1])"
    processes = [
        subprocess.Popen([sys.executable, "-c", program, database_url], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [(b"", 0)] * 3
    check_schema(open_engine(database_url))


def test_the_migration_makes_the_folder(tmp_path: Path) -> None:
    """A first start needs no mkdir."""
    migrate(f"sqlite:///{tmp_path}/new/ledger.db")
    assert (tmp_path / "new" / "ledger.db").exists()


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("mysql://user:hunter2@host/db", "SQLite and PostgreSQL"),
        ("sqlite://", "give SQLite a file"),
        ("hunter2", "sqlite:////path"),
    ],
)
def test_an_url_that_is_no_ledgers(url: str, mend: str) -> None:
    """The text names the mend and never the password."""
    with pytest.raises(LedgerError, match=mend) as caught:
        open_engine(url)
    assert "hunter2" not in str(caught.value)
