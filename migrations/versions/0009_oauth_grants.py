"""The approval of an OAuth client, with its tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
LOST = "the approvals of OAuth clients: somebody has to log in again"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "oauth_grants",
        sa.Column("client_id", sa.Text, primary_key=True),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("tokens", sa.Text, nullable=False),
        sa.Column("base_url", sa.Text),
        sa.Column("scope", sa.Text),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("granted_at", moment, nullable=False),
        sa.Column("granted_by", sa.Text, nullable=False),
        sa.Column("renewed_at", moment),
        sa.Column("lifetime_seconds", sa.BigInteger),
        sa.Column("expires_at", moment),
        sa.Column("refused_at", moment),
        sa.Column("failing_since", moment),
        sa.Column("failure", sa.Text),
        sa.Column("renewal_token", sa.String(32)),
        sa.Column("renewal_until", moment),
    )


def downgrade() -> None:
    op.drop_table("oauth_grants")
