"""The kind of error of each letter there is, and an index that groups and counts letters by it."""

import json

import sqlalchemy as sa
from alembic import op

from gong_worker.domain.error_kinds import error_kind

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
LOST = "the groups of dead letters, which are told again after an upgrade"

PAGE = 1_000
INDEX = "ix_dead_letters_group"
letters = sa.table(
    "dead_letters",
    *(sa.column(name) for name in ("id", "errors", "payload", "event_id", "error_kind")),
)


def upgrade() -> None:
    connection = op.get_bind()
    last = 0
    while True:
        page = connection.execute(
            sa.select(letters.c.id, letters.c.errors, letters.c.payload, letters.c.event_id)
            .where(letters.c.id > last, letters.c.error_kind.is_(None))
            .order_by(letters.c.id)
            .limit(PAGE)
        ).all()
        if not page:
            break
        connection.execute(
            sa.update(letters)
            .where(letters.c.id == sa.bindparam("letter"))
            .values(error_kind=sa.bindparam("kind")),
            [{"letter": row.id, "kind": _kind(row)} for row in page],
        )
        last = page[-1].id
    op.create_index(
        INDEX, "dead_letters", ["resolution", "reason", "http_status", "error_kind", "created_at"]
    )


def _kind(row: sa.Row[tuple[int, str, str | None, str | None]]) -> str:
    event = json.loads(row.payload) if row.payload is not None and row.event_id is not None else None
    # U+2400 is what the ledger writes before an escaped character: nothing of a kind is worth unescaping.
    return error_kind(json.loads(row.errors), event).replace("\u2400", "")


def downgrade() -> None:
    op.drop_index(INDEX, "dead_letters")
    op.execute("UPDATE dead_letters SET error_kind = NULL")
