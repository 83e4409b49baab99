"""What a backend needs to hand a content-view event over to Gong, durably."""

from gong_views.aio import AsyncViewQueue
from gong_views.errors import GongViewsError, InvalidViewEvent, QueueUnavailable, SettingsError
from gong_views.event import EventKey, ViewEvent
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
