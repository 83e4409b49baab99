"""When a person was erased from a letter, and the installation's own keys."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
LOST = (
    "who was erased from a letter, and the key of hashes: a dead or an erased event that comes again is sent"
)


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("erased_at", sa.DateTime(timezone=True)))
    op.create_table(
        "installation_keys",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_installation_keys"),
    )


def downgrade() -> None:
    op.drop_table("installation_keys")
    op.drop_column("dead_letters", "erased_at")
