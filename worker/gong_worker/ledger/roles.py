"""The rights of the ledger's PostgreSQL roles, given anew at the end of each migration to those roles that exist.

deploy/postgres/roles.sql makes the roles. Whatever tables and views a migration makes, a role has its rights on them
when the migration is done. What another table needs in addition goes into `_LESS`; all the rest follows from its kind.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import sqlalchemy as sa


class LedgerRole(StrEnum):
    """The roles beside the owner, who migrates; each one's name in PostgreSQL."""

    WORKER = "gong_views_worker"
    CONSOLE = "gong_views_console"  # the operators' commands and the console
    WEB = "gong_views_web"  # a `serve` with metrics and keys that read: everything but payloads and what quotes them
    DASHBOARDS = "gong_views_dashboards"  # the views only, in which there is no person's data


_ALL: Final = "SELECT, INSERT, UPDATE, DELETE"
_ON_TABLES: Final[Mapping[LedgerRole, str]] = {
    LedgerRole.WORKER: _ALL,
    LedgerRole.CONSOLE: _ALL,
    LedgerRole.WEB: "SELECT",
}
#: Tables on which a role has less: the schema's version is the owner's, the audit is only added to;
#: whoever has the keys can confirm a guess of what is hashed with them.
_LESS: Final[Mapping[str, Mapping[LedgerRole, str]]] = {
    "alembic_version": {LedgerRole.WORKER: "SELECT", LedgerRole.CONSOLE: "SELECT"},
    "operator_actions": {LedgerRole.WORKER: "SELECT, INSERT", LedgerRole.CONSOLE: "SELECT, INSERT"},
    "installation_keys": {LedgerRole.WORKER: "SELECT", LedgerRole.CONSOLE: "SELECT", LedgerRole.WEB: ""},
    "oauth_grants": {LedgerRole.CONSOLE: "SELECT"},
}
#: Columns that a role has no right on: personal data for one that only reads, tokens for all that make no calls.
_HIDDEN: Final[Mapping[str, Mapping[LedgerRole, frozenset[str]]]] = {
    "dead_letters": {LedgerRole.WEB: frozenset({"payload", "errors"})},
    "oauth_grants": dict.fromkeys((LedgerRole.CONSOLE, LedgerRole.WEB), frozenset({"tokens"})),
}
#: Without any of these no event is brought to its end.
_TO_DELIVER: Final = (
    ("deliveries", ("SELECT", "INSERT", "UPDATE")),
    ("attempts", ("SELECT", "INSERT", "UPDATE", "DELETE")),
    ("dead_letters", ("SELECT", "INSERT", "UPDATE")),
    ("duplicates", ("SELECT", "INSERT", "DELETE")),
)


def missing_right(connection: sa.Connection) -> str | None:
    """What the connection's user may not do of what a delivery needs, as in GRANT; None when nothing is missing."""
    for table, rights in _TO_DELIVER:
        query = sa.text(
            "SELECT r FROM unnest(CAST(:rights AS text[])) AS r WHERE NOT has_table_privilege(:table, r)"
        )
        missing = connection.execute(query, {"rights": list(rights), "table": table}).scalars().all()
        if missing:
            return f"{', '.join(missing)} ON {table}"
    return None


def grant_roles(connection: sa.Connection) -> None:
    """Give each role that exists its rights on everything in the ledger's schema, and take what it had beyond them."""
    known = sa.text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names)")
    found = set(connection.execute(known, {"names": list(LedgerRole)}).scalars())
    roles = [role for role in LedgerRole if role in found]
    if not roles:
        return
    inspector = sa.inspect(connection)
    quote = connection.dialect.identifier_preparer.quote
    schema = quote(inspector.default_schema_name or "public")
    statements = []
    for role in roles:
        statements += [
            f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}",
            f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        ]
        if role in _ON_TABLES:
            statements.append(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}")
            for table in inspector.get_table_names():
                rights = _LESS.get(table, {}).get(role, _ON_TABLES[role])
                if hidden := _HIDDEN.get(table, {}).get(role):
                    names = [column["name"] for column in inspector.get_columns(table)]
                    rights += f" ({', '.join(quote(name) for name in names if name not in hidden)})"
                if not rights:
                    continue
                statements.append(f"GRANT {rights} ON {schema}.{quote(table)} TO {role}")
        statements += [
            f"GRANT SELECT ON {schema}.{quote(view)} TO {role}" for view in inspector.get_view_names()
        ]
    for statement in statements:
        connection.execute(sa.text(statement))
