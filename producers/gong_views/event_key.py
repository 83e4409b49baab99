"""What makes two events the same event."""

from typing import NamedTuple


class EventKey(NamedTuple):
    """What makes two events the same event; Gong accepts a key once."""

    reporting_system: str
    event_id: str
