"""What a backend needs to hand a content-view event over to Gong, durably."""

from typing import TYPE_CHECKING

from gong_views.lazy_names import lazy_names

if TYPE_CHECKING:
    from gong_views.aio import AsyncViewQueue
    from gong_views.errors import GongViewsError, InvalidViewEvent, QueueUnavailable, SettingsError
    from gong_views.event import ViewEvent
    from gong_views.event_key import EventKey
    from gong_views.names import Lane
    from gong_views.queue import ViewQueue, enqueue_view
    from gong_views.receipt import BatchResult, Receipt
    from gong_views.schema import (
        Actor,
        AgentPlatform,
        ContextField,
        CrmContext,
        CrmObject,
        CrmObjectType,
        CrmSystem,
        DataType,
        PartyContext,
        PartyObject,
        PartyObjectType,
        Property,
        Sharer,
    )

__all__ = [
    "Actor",
    "AgentPlatform",
    "AsyncViewQueue",
    "BatchResult",
    "ContextField",
    "CrmContext",
    "CrmObject",
    "CrmObjectType",
    "CrmSystem",
    "DataType",
    "EventKey",
    "GongViewsError",
    "InvalidViewEvent",
    "Lane",
    "PartyContext",
    "PartyObject",
    "PartyObjectType",
    "Property",
    "QueueUnavailable",
    "Receipt",
    "SettingsError",
    "Sharer",
    "ViewEvent",
    "ViewQueue",
    "enqueue_view",
]

# Who needs the names of the queues alone, as most commands of the worker do, does not wait for the event's models.
_HOMES = {
    "aio": ("AsyncViewQueue",),
    "errors": ("GongViewsError", "InvalidViewEvent", "QueueUnavailable", "SettingsError"),
    "event": ("ViewEvent",),
    "event_key": ("EventKey",),
    "names": ("Lane",),
    "queue": ("ViewQueue", "enqueue_view"),
    "receipt": ("BatchResult", "Receipt"),
    "schema": (
        "Actor",
        "AgentPlatform",
        "ContextField",
        "CrmContext",
        "CrmObject",
        "CrmObjectType",
        "CrmSystem",
        "DataType",
        "PartyContext",
        "PartyObject",
        "PartyObjectType",
        "Property",
        "Sharer",
    ),
}

if not TYPE_CHECKING:  # to a type checker these are the names imported above, and there are no others
    __getattr__, __dir__ = lazy_names(__name__, _HOMES)
