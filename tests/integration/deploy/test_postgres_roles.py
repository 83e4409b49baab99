"""The roles of deploy/postgres/roles.sql on a real PostgreSQL: each does its job, and is refused the rest."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.domain.audit import AuditAction
from gong_worker.domain.grants import TokenCause
from gong_worker.domain.states import DeadLetterReason, DeadLetterState
from gong_worker.ledger import EventFilter, Ledger, LedgerUnavailable, check_schema, migrate, open_engine
from gong_worker.ledger.dead_letter_search import DeadLetterFilter
from gong_worker.oauth import Vault, new_key
from gong_worker.operations.oauth import oauth_report
from gong_worker.operations.retention import prune
from gong_worker.settings import WorkerSettings
from tests.integration.ledger.support import PAYLOAD, at, claimed, deliver, result
from tests.integration.ledger.test_migrate import VIEWS
from tests.support.processes import process
from tests.support.roles import ROLES, Roles, ledger_roles
from tests.support.servers import Postgres, Valkey


@pytest.fixture(scope="module")
def roles(postgres_server: Postgres) -> Iterator[Roles]:
    """The roles, with a ledger that their owner has migrated."""
    with ledger_roles(postgres_server) as made:
        migrate(made.url("owner"))
        yield made


@contextmanager
def ledger_of(roles: Roles, role: str) -> Iterator[Ledger]:
    ledger = Ledger(open_engine(roles.url(role)))
    try:
        yield ledger
    finally:
        ledger.close()


def test_the_ledger_works_with_the_roles(roles: Roles) -> None:
    """Workers claim, call, settle and mirror; operators search, replay, discard and are audited."""
    with ledger_of(roles, "worker") as ledger:
        ledger.ping()
        deliver(ledger, claimed(ledger, "message-1"))
        claim = claimed(ledger, "message-2", key=EventKey("crm", "event-2"))
        number = ledger.begin_attempt(claim, now=at(1))
        ledger.dead_letter_event(
            claim, number, result("rejected", 1, 400), now=at(1),
            reason=DeadLetterReason.REJECTED, errors=["no"], payload=PAYLOAD,
        )  # fmt: skip
        ledger.mirror_enqueue_counts("g", {(Lane.LIVE, date(2026, 3, 1)): 2})
        assert ledger.operator_limits() == {}
    with ledger_of(roles, "console") as ledger:
        letters = ledger.search_dead_letters(DeadLetterFilter(), limit=10).dead_letters
        ledger.mark_discarded([letters[0].id], "ann", at(2))
        ledger.record_action(AuditAction.DISCARD, by="ann", at=datetime.now(UTC))
        assert ledger.list_actions(limit=1).total == 1
        ledger.reconciliation_snapshot()
    with ledger_of(roles, "web") as ledger:
        wanted = DeadLetterFilter(state=DeadLetterState.ALL)
        assert ledger.search_dead_letters(wanted, limit=10, errors=False).total == 1
        assert ledger.search_events(EventFilter(request_id="request-1"), limit=1).events
        assert ledger.letters_of(EventKey("crm", "event-2")) and ledger.dead_letter_groups(wanted)
        totals = ledger.totals()
        assert totals.calls["rejected"] == 1 and totals.latencies[Lane.LIVE].count == 1


def test_a_worker_may_prune(roles: Roles) -> None:
    """The retention settings are for workers: they may delete what is old, and note it in the audit."""
    with ledger_of(roles, "worker") as ledger:
        deliver(ledger, claimed(ledger, "old", -9, key=EventKey("crm", "old"), enqueued=-9), -9)
        gone = prune(ledger, at(-5), keep_keys=False, by="retention", reason=None, stop=threading.Event())
        [entry] = ledger.list_actions(limit=1).entries
        assert (gone.events, entry.by, entry.count) == (1, "retention", 2)


def test_a_key_is_not_checked_without_the_right_to_the_tokens(roles: Roles) -> None:
    """`oauth status` says whether the key fits to a worker's user, and to the console's that it is not known."""
    key = new_key()
    settings = WorkerSettings(
        GONG_OAUTH_CLIENT_ID="client", GONG_OAUTH_CLIENT_SECRET="secret", GONG_OAUTH_KEY=key
    )
    with ledger_of(roles, "worker") as ledger:
        sealed = Vault(key).seal("refresh", None)
        ledger.put_grant("client", sealed, by="tests", cause=TokenCause.IMPORT)
        assert oauth_report(settings, ledger).key_fits is True
    with ledger_of(roles, "console") as ledger:
        assert oauth_report(settings, ledger).key_fits is None


def test_a_worker_without_the_rights_does_not_start(
    roles: Roles, valkey_server: Valkey, tmp_path: Path
) -> None:
    """A worker that was given the role of `serve` says at its start which right is missing, and takes no message."""
    settings = {
        "REDIS_URL": valkey_server.url, "DATABASE_URL": roles.url("web"), "GONG_BEARER_TOKEN": "x",
        "GONG_BASE_URL": "http://127.0.0.1:1", "GONG_VIEWS_DATA_DIR": str(tmp_path),
    }  # fmt: skip
    with process(["gong_worker", "worker"], tmp_path / "worker.log", settings) as started:
        assert started.popen.wait(60) == 1
        assert "the database user lacks rights: GRANT" in started.log
        assert "worker_ready" not in started.log


def test_a_lost_right_is_an_unavailable_ledger(roles: Roles) -> None:
    """A worker whose user may no longer write a table pauses until it may, told which right is missing."""
    owner = sa.create_engine(roles.url("owner"))
    try:
        with ledger_of(roles, "worker") as ledger:
            with owner.begin() as connection:
                connection.execute(sa.text("REVOKE INSERT, DELETE ON attempts FROM gong_views_worker"))
            with pytest.raises(LedgerUnavailable, match="GRANT INSERT, DELETE ON attempts"):
                ledger.ping()
            with owner.begin() as connection:
                connection.execute(sa.text("GRANT INSERT, DELETE ON attempts TO gong_views_worker"))
            ledger.ping()
    finally:
        owner.dispose()


def allowed(url: str, statement: str) -> bool:
    """Whether the role may; whatever it did is rolled back."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            connection.execute(
                sa.text("SET TRANSACTION READ WRITE")
            )  # the dashboards' default is a convenience
            connection.execute(sa.text(statement))
        return True
    except sa.exc.ProgrammingError as error:
        assert error.orig.sqlstate == "42501", error
        return False
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    ("statement", "who"),
    [
        ("SELECT payload FROM dead_letters", {"owner", "worker", "console"}),
        ("SELECT id, reason FROM dead_letters", {"owner", "worker", "console", "web"}),
        ("SELECT errors FROM dead_letters", {"owner", "worker", "console"}),
        ("SELECT * FROM deliveries", {"owner", "worker", "console", "web"}),
        ("SELECT * FROM calls_daily", {"owner", "worker", "console", "web", "dashboards"}),
        ("DELETE FROM attempts", {"owner", "worker", "console"}),
        ("UPDATE operator_actions SET by = 'bob'", {"owner"}),
        ("DELETE FROM operator_actions", {"owner"}),
        ("INSERT INTO operator_actions (at, by, action, count) VALUES (now(), 'x', 'hold', 1)",
         {"owner", "worker", "console"}),
        ("SELECT value FROM installation_keys", {"owner", "worker", "console"}),
        ("UPDATE installation_keys SET value = 'x'", {"owner"}),
        ("UPDATE alembic_version SET version_num = version_num", {"owner"}),
        ("SELECT tokens FROM oauth_grants", {"owner", "worker"}),
        ("SELECT client_id, expires_at FROM oauth_grants", {"owner", "worker", "console", "web"}),
        ("DELETE FROM oauth_grants", {"owner", "worker"}),
        ("TRUNCATE deliveries CASCADE", {"owner"}),
        ("DROP TABLE operator_actions", {"owner"}),
        ("CREATE TABLE more (a int)", {"owner"}),
        ("CREATE TEMPORARY TABLE more (a int)", {"owner"}),
        ("CREATE ROLE more", set()),
        ("CREATE SCHEMA more", {"owner"}),
        ("SELECT pg_read_file('PG_VERSION')", set()),
        ("COPY (SELECT 1) TO PROGRAM 'true'", set()),
    ],
)  # fmt: skip
def test_each_role_is_refused_what_is_not_its_job(roles: Roles, statement: str, who: set[str]) -> None:
    """The audit is only added to, the schema is its owner's, dashboards see views; nobody reaches the server."""
    assert {role for role in ROLES if allowed(roles.url(role), statement)} == who


def test_whatever_a_migration_makes_is_covered(roles: Roles) -> None:
    """Each table and view of the schema, also of a later migration, is granted; twice is as good as once."""
    owner = sa.create_engine(roles.url("owner"))
    with owner.begin() as connection:
        connection.execute(sa.text("CREATE TABLE later (id bigserial PRIMARY KEY)"))
        connection.execute(sa.text("CREATE VIEW later_view AS SELECT id FROM later"))
    roles.run_script()
    migrate(roles.url("owner"))
    inspector = sa.inspect(owner)
    may = sa.text("SELECT has_table_privilege(:role, :name, :right)")

    def rights(role: str, name: str) -> str:
        asked = {"role": f"gong_views_{role}", "name": name}
        return "".join(
            right[0] for right in ("SELECT", "INSERT", "UPDATE", "DELETE")
            if connection.execute(may, {**asked, "right": right}).scalar_one()
        )  # fmt: skip

    with owner.connect() as connection:
        for table in inspector.get_table_names():
            less = {
                "alembic_version": ("S", "S", ""),
                "operator_actions": ("SI", "SI", ""),
                "installation_keys": ("S", "S", ""),
                "oauth_grants": ("SIUD", "", ""),  # of the console: columns only
            }
            expected = less.get(table, ("SIUD", "SIUD", ""))
            assert tuple(rights(role, table) for role in ("worker", "console", "dashboards")) == expected, (
                table
            )
        assert set(inspector.get_view_names()) >= {*VIEWS, "later_view"}
        for view in inspector.get_view_names():
            assert rights("dashboards", view) == rights("web", view) == "S", view
    owner.dispose()
    assert allowed(roles.url("worker"), "INSERT INTO later DEFAULT VALUES")


def test_the_ledger_is_found_behind_the_second_host(roles: Roles) -> None:
    """DATABASE_URL may name a primary and its standby: the one that takes writes is used, whoever that is."""
    address = sa.make_url(roles.url("worker"))
    both = {"host": ("127.0.0.1:1", f"{address.query['host']}:5432"), "target_session_attrs": "read-write"}
    engine = open_engine(address.set(query=both).render_as_string(hide_password=False))
    check_schema(engine)
    engine.dispose()
