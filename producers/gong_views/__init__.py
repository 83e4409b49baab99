"""What a backend needs to hand a content-view event over to Gong, durably."""

import os
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Any

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

# The modules of these names, loaded when one is asked for: who needs the names of the queues alone, as most commands of
# the worker do, does not wait for the event's models.
_HOMES = {
    "aio": ("AsyncViewQueue",),
    "errors": ("GongViewsError", "InvalidViewEvent", "QueueUnavailable", "SettingsError"),
    "event": ("ViewEvent",),
    "event_key": ("EventKey",),
    "names": ("Lane",),
    "queue": ("ViewQueue", "enqueue_view"),
    "receipt": ("BatchResult", "Receipt"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_REST = "schema"  # the home of all others
# A fork waits for it: in the child nobody would end what a thread of the parent was importing, and all would wait.
_loading = RLock()
os.register_at_fork(
    before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_loading.release
)


if not TYPE_CHECKING:  # to a type checker these are the names imported above, and there are no others

    def __getattr__(name: str) -> Any:
        is_module = name in _HOMES or name == _REST
        if name not in __all__ and not is_module:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with _loading:
            module = import_module(f"{__name__}.{name if is_module else _HOME.get(name, _REST)}")
        value = module if is_module else getattr(module, name)
        globals()[name] = value  # the next time it is found without this function
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
