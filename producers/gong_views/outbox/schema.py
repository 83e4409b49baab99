"""The outbox's table, made and removed from the backend's own Alembic migrations.

Each version is a step that never changes once released: a migration written today does the same for ever.

    from gong_views.outbox import schema

    def upgrade() -> None:
        schema.upgrade(op, version=1)

    def downgrade() -> None:
        schema.downgrade(op, version=1)

A later release that needs another version says so; the migration for it is then
`schema.upgrade(op, version=2, from_version=1)` and `schema.downgrade(op, version=2, to_version=1)`.
"""

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa

from gong_views.outbox.errors import OutboxNotEmpty

#: The version that this release works on.
LATEST: Final = 1


def upgrade(op: Any, *, version: int, from_version: int = 0) -> None:
    """Bring the table from `from_version` (0: absent) to `version`.

    `op` is `alembic.op`; online and offline (`--sql`) both work, on SQLite and PostgreSQL. Raises ValueError
    for versions that do not exist.
    """
    for step in _steps(from_version, version):
        _STEPS[step][0](op)


def downgrade(op: Any, *, version: int, to_version: int = 0, discard: bool = False) -> None:
    """Take the table back from `version` to `to_version` (0: drop it).

    Raises OutboxNotEmpty when dropping it would lose events that no relay has moved yet, unless `discard`.
    """
    steps = _steps(to_version, version)
    if to_version == 0 and not discard:
        _refuse_to_lose(op)
    for step in reversed(steps):
        _STEPS[step][1](op)


def _steps(lower: int, upper: int) -> range:
    if not 0 <= lower < upper <= LATEST:
        raise ValueError(
            f"the outbox's schema has the versions 1 to {LATEST} (0: no table): "
            f"there is no way between {lower} and {upper}"
        )
    return range(lower + 1, upper + 1)


def _refuse_to_lose(op: Any) -> None:
    if op.get_context().as_sql:
        return  # a script is being written: there is nothing to look at
    waiting = op.get_bind().execute(
        sa.text("SELECT count(*) FROM gong_views_outbox WHERE relayed_at IS NULL")
    )
    if number := waiting.scalar_one():
        raise OutboxNotEmpty(
            f"{number} events in gong_views_outbox have not been relayed: run `gong-views relay --once` "
            "first, or pass discard=True to lose them"
        )


def _create(op: Any) -> None:
    op.create_table(
        "gong_views_outbox",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True
        ),
        sa.Column("reporting_system", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False, server_default="live"),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("relayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sqlite_autoincrement=True,
    )
    waiting = sa.text("relayed_at IS NULL")
    op.create_index(
        "ix_gong_views_outbox_waiting",
        "gong_views_outbox",
        ["id"],
        postgresql_where=waiting,
        sqlite_where=waiting,
    )
    op.create_index("ix_gong_views_outbox_created_at", "gong_views_outbox", ["created_at"])


def _drop(op: Any) -> None:
    op.drop_index("ix_gong_views_outbox_created_at", table_name="gong_views_outbox")
    op.drop_index("ix_gong_views_outbox_waiting", table_name="gong_views_outbox")
    op.drop_table("gong_views_outbox")


# version -> (from the one before to it, and back)
_STEPS: Final[dict[int, tuple[Callable[[Any], None], Callable[[Any], None]]]] = {1: (_create, _drop)}
