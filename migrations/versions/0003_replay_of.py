"""Which letter's replay died as a letter: an older letter is told apart from one that has been replayed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
LOST = "which dead letter a later one is the replay of"


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("replay_of", sa.BigInteger))
    # Until now an event had one open letter at most, so a letter before another one was replayed or superseded.
    op.execute(
        """
        UPDATE dead_letters SET replay_of = (
            SELECT max(older.id) FROM dead_letters AS older
             WHERE older.event_id = dead_letters.event_id
               AND older.reporting_system = dead_letters.reporting_system
               AND older.id < dead_letters.id AND older.resolution = 'replayed')
         WHERE event_id IS NOT NULL
        """
    )


def downgrade() -> None:
    op.drop_column("dead_letters", "replay_of")
