"""The outbox's one table, as the latest version of `schema` leaves it.

A row's life: inserted by the backend (`relayed_at` and `error` null); moved to the queue by a relay, which
sets `relayed_at` and `message_id`; deleted by a relay some days later. A row that is no valid event gets
`error` instead and stays until a person corrects or deletes it.
"""

from typing import Final

import sqlalchemy as sa

#: Fixed, so that relays, migrations and dashboards never have to be told.
TABLE_NAME: Final = "gong_views_outbox"
WAITING_INDEX: Final = "ix_gong_views_outbox_waiting"
CREATED_INDEX: Final = "ix_gong_views_outbox_created_at"

metadata = sa.MetaData()

table = sa.Table(
    TABLE_NAME,
    metadata,
    # SQLite counts by itself only in an INTEGER primary key.
    sa.Column(
        "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True
    ),
    # The event key, to find a row by; the payload is what counts.
    sa.Column("reporting_system", sa.Text(), nullable=False),
    sa.Column("event_id", sa.Text(), nullable=False),
    sa.Column("lane", sa.Text(), nullable=False, server_default="live"),
    # The event in Gong's JSON form. Holds people's names and addresses until the row is pruned.
    sa.Column("payload", sa.Text(), nullable=False),
    # All three times are UTC.
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("relayed_at", sa.DateTime(timezone=True), nullable=True),
    # The Celery task id of the message it became.
    sa.Column("message_id", sa.Text(), nullable=True),
    # Why no relay could take it. Set it to NULL, with the payload corrected, and the next relay takes it.
    sa.Column("error", sa.Text(), nullable=True),
    sqlite_autoincrement=True,  # an id never comes back, so it names one event for good
)

_waiting = table.c.relayed_at.is_(None)
sa.Index(WAITING_INDEX, table.c.id, postgresql_where=_waiting, sqlite_where=_waiting)
sa.Index(CREATED_INDEX, table.c.created_at)
