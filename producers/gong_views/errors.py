"""The errors a producer can meet. No text here holds an event's payload or a password."""

from collections.abc import Iterable, Mapping

from gong_views.receipt import BatchResult


class GongViewsError(Exception):
    """The root of this project's errors."""


class SettingsError(GongViewsError):
    """A wrong or contradictory setting; the text names the variable and the mend."""


class QueueUnavailable(GongViewsError):
    """The queue did not take the event; nothing is known to be enqueued, and trying again is harmless."""

    reason: str = "unavailable"
    """A stable word for it: `refused`, `timeout`, `out_of_memory`, `read_only`, `loading`, `dns`, …"""
    result: BatchResult | None = None
    """After `enqueue_many`: the events that surely went in before."""


class InvalidViewEvent(GongViewsError, ValueError):
    """An event that Gong is certain to refuse. `errors` names each field by its wire path and says what to do."""

    def __init__(self, errors: Iterable[Mapping[str, str]]) -> None:
        self.errors: list[dict[str, str]] = [dict(error) for error in errors]
        super().__init__("\n".join(f"{error['field']}: {error['message']}" for error in self.errors))
