"""The exceptions of this library, all under `GongViewsError`.

No text here holds a password or any person's data: it ends up in logs, in replies and in error trackers.
"""

from collections.abc import Iterable, Mapping

from gong_views.receipt import BatchResult


class GongViewsError(Exception):
    """The base class of every error that this project raises on purpose."""


class SettingsError(GongViewsError):
    """A wrong or contradictory setting; the text names the variable and what to do."""


class QueueUnavailable(GongViewsError):
    """The queue did not take the event; nothing is known to be enqueued, and trying again is harmless."""

    reason: str = "unavailable"
    """A stable word for it: `refused`, `timeout`, `out_of_memory`, `read_only`, `loading`, `dns`, …"""
    result: BatchResult | None = None
    """After `enqueue_many`: the events that surely went in before."""


class InvalidViewEvent(GongViewsError, ValueError):
    """An event that Gong is certain to refuse. Nothing was enqueued, and trying again changes nothing.

    `errors` is a list of `{"field", "message"}`: Gong's name for the place as a path, such as
    `crmContext[0].objects[1].objectType`, and what is wrong and what to do; `str()` is a line for each.
    """

    def __init__(self, errors: Iterable[Mapping[str, str]]) -> None:
        self.errors: list[dict[str, str]] = [dict(error) for error in errors]
        super().__init__(self.errors)  # the arguments as they came, so that it survives pickling

    def __str__(self) -> str:
        return "\n".join(f"{error['field']}: {error['message']}" for error in self.errors)
