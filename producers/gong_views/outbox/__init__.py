"""A transactional outbox: the view event is written in the backend's own transaction, or not at all.

`add(session, event)` inserts one row beside the backend's data and talks to nothing else. A relay
(`gong-views relay`, or `relay.Relay` in a process of the backend) moves committed rows to the queue.
A row may reach the queue twice after a crash; the event key makes it reach Gong once. See docs/outbox.md.
"""

try:
    import sqlalchemy as _sqlalchemy  # noqa: F401
except ImportError as error:
    raise ImportError(
        "gong_views.outbox needs SQLAlchemy 2: pip install 'gong-views[outbox]'", name="sqlalchemy"
    ) from error

from gong_views.outbox import schema
from gong_views.outbox.errors import OutboxError, OutboxMissing, OutboxNotEmpty, OutboxUnavailable
from gong_views.outbox.table import metadata, table
from gong_views.outbox.write import add, add_async

__all__ = [
    "OutboxError",
    "OutboxMissing",
    "OutboxNotEmpty",
    "OutboxUnavailable",
    "add",
    "add_async",
    "metadata",
    "schema",
    "table",
]
