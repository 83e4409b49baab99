"""What a backend needs to hand a content-view event over to Gong, durably."""

from gong_views.aio import AsyncViewQueue
from gong_views.errors import GongViewsError, InvalidViewEvent, QueueUnavailable, SettingsError
from gong_views.event import EventKey, ViewEvent
from gong_views.names import Lane
from gong_views.queue import ViewQueue, enqueue_view
from gong_views.receipt import BatchResult, Receipt

__all__ = [
    "AsyncViewQueue",
    "BatchResult",
    "EventKey",
    "GongViewsError",
    "InvalidViewEvent",
    "Lane",
    "QueueUnavailable",
    "Receipt",
    "SettingsError",
    "ViewEvent",
    "ViewQueue",
    "enqueue_view",
]
