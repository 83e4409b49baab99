"""Queues for a backend's own tests: they validate like the real ones and record instead of enqueuing.

`RecordingViewQueue` stands in for `ViewQueue`, `AsyncRecordingViewQueue` for `AsyncViewQueue`; no Redis is needed.
`gong_views.pytest_plugin` has them as fixtures.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from gong_views import queue as sync_queue
from gong_views.aio import AsyncViewQueue
from gong_views.commands import Item, to_lane, transaction
from gong_views.errors import QueueUnavailable
from gong_views.event import ViewEvent
from gong_views.names import Lane
from gong_views.options import LaneName, OnUnavailable, Options
from gong_views.queue import ViewQueue
from gong_views.receipt import Receipt
from gong_views.spool import Spool, SpooledBatch

_SHOWN = 10  # recorded events named by a failed assertion


@dataclass(frozen=True, slots=True)
class RecordedView:
    """One event that the code under test has enqueued."""

    event: ViewEvent
    lane: Lane
    message_id: str
    source: str | None
    replay_of: int | None

    @property
    def event_id(self) -> str:
        """The event's id, given or derived."""
        return self.event.event_id


class Recorder:
    """What has been enqueued, in order, and assertions about it."""

    recorded: list[RecordedView]

    def __init__(self) -> None:
        self.recorded = []
        self._reason: str | None = None

    @property
    def events(self) -> list[ViewEvent]:
        """The enqueued events, in order."""
        return [view.event for view in self.recorded]

    def clear(self) -> None:
        """Forget what has been recorded."""
        self.recorded.clear()

    @contextmanager
    def unavailable(self, reason: str = "refused") -> Iterator[None]:
        """Within the block the queue is unavailable: QueueUnavailable with that `reason`, or spooling."""
        before, self._reason = self._reason, reason
        try:
            yield
        finally:
            self._reason = before

    def assert_enqueued(
        self,
        event_id: str | None = None,
        *,
        lane: Lane | LaneName | None = None,
        times: int | None = None,
        **fields: Any,
    ) -> RecordedView:
        """The first enqueued event with these values; AssertionError if there is none.

        `fields` are an event's attributes (`content_id="deck-42"`); an expected value is a Python object or its
        JSON form (`viewer={"email": "…"}`). `times` is the exact number of such events, at least 1 if not given.
        The error names events by id and fields by name, never their values.
        """
        found = self._matching(event_id, lane, fields)
        if not found or (times is not None and len(found) != times):
            wanted = "at least one" if times is None else str(times)
            raise AssertionError(
                f"{wanted} wanted, {len(found)} enqueued: {self._described(event_id, lane, fields)}"
            )
        return found[0]

    def assert_not_enqueued(
        self, event_id: str | None = None, *, lane: Lane | LaneName | None = None, **fields: Any
    ) -> None:
        """AssertionError if any event with these values was enqueued; without values, if any was at all."""
        if found := self._matching(event_id, lane, fields):
            raise AssertionError(
                f"none wanted, {len(found)} enqueued: {self._described(event_id, lane, fields)}"
            )

    def _matching(
        self, event_id: str | None, lane: Lane | str | None, fields: dict[str, Any]
    ) -> list[RecordedView]:
        return [view for view in self.recorded if not _differences(view, event_id, lane, fields)]

    def _described(self, event_id: str | None, lane: Lane | str | None, fields: dict[str, Any]) -> str:
        lines = []
        for view in self.recorded[:_SHOWN]:
            differs = _differences(view, event_id, lane, fields)
            lines.append(
                f"{view.event_id} ({view.lane}) "
                + (f"differs in {', '.join(differs)}" if differs else "matches")
            )
        if len(self.recorded) > _SHOWN:
            lines.append(f"and {len(self.recorded) - _SHOWN} more")
        return "; ".join(lines) or "nothing was enqueued"

    def _record(self, lane: Lane, items: Sequence[Item]) -> list[Receipt]:
        self._check_available()
        receipts = transaction(lane, items).receipts
        for item, receipt in zip(items, receipts, strict=True):
            event = ViewEvent.parse(item.wire)
            self.recorded.append(RecordedView(event, lane, receipt.message_id, item.source, item.replay_of))
        return receipts

    def _check_available(self) -> None:
        if self._reason is not None:
            error = QueueUnavailable(f"the recording queue was told to be unavailable ({self._reason})")
            error.reason = self._reason
            raise error


def _differences(
    view: RecordedView, event_id: str | None, lane: Lane | str | None, fields: dict[str, Any]
) -> list[str]:
    """The names of the given values that the recorded event does not have."""
    differs = []
    if event_id is not None and view.event_id != event_id:
        differs.append("event_id")
    if lane is not None and view.lane is not to_lane(lane):
        differs.append("lane")
    for name, expected in fields.items():
        field = ViewEvent.model_fields.get(name)
        if field is None:
            raise TypeError(f"a view event has no attribute {name}")
        value = getattr(view.event, name)
        if isinstance(value, tuple) and isinstance(expected, list):
            value = list(value)
        if value != expected and view.event.wire().get(field.alias or name) != expected:
            differs.append(name)
    return differs


class RecordingViewQueue(Recorder, ViewQueue):
    """A `ViewQueue` that records; it takes the same arguments. With `on_unavailable="spool"` it spools in memory.

    Raises what a `ViewQueue` raises: InvalidViewEvent for an invalid event, SettingsError for wrong arguments.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        timeout_seconds: float | None = None,
        source: str | None = None,
        on_unavailable: OnUnavailable = "raise",
        spool_path: str | os.PathLike[str] | None = None,
    ) -> None:
        Recorder.__init__(self)
        self._options = _options(redis_url, timeout_seconds, source, on_unavailable, spool_path)

    @contextmanager
    def as_default(self) -> Iterator[None]:
        """Within the block `gong_views.enqueue_view` puts its events on this queue, wherever it was imported."""
        with mock.patch.object(sync_queue, "default_queue", lambda: self):
            yield

    def ping(self) -> None:
        """Raise QueueUnavailable if the queue was told to be unavailable."""
        self._check_available()

    def close(self) -> None:
        """Nothing is open."""

    def _push(self, lane: Lane, items: Sequence[Item]) -> list[Receipt]:
        return self._record(lane, items)


class AsyncRecordingViewQueue(Recorder, AsyncViewQueue):
    """An `AsyncViewQueue` that records; see `RecordingViewQueue`."""

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        timeout_seconds: float | None = None,
        source: str | None = None,
        on_unavailable: OnUnavailable = "raise",
        spool_path: str | os.PathLike[str] | None = None,
    ) -> None:
        Recorder.__init__(self)
        self._options = _options(redis_url, timeout_seconds, source, on_unavailable, spool_path)

    async def ping(self) -> None:
        """Raise QueueUnavailable if the queue was told to be unavailable."""
        self._check_available()

    async def close(self) -> None:
        """Nothing is open."""

    async def _push(self, lane: Lane, items: Sequence[Item]) -> list[Receipt]:
        return self._record(lane, items)


def _options(
    redis_url: str | None,
    timeout_seconds: float | None,
    source: str | None,
    on_unavailable: OnUnavailable,
    spool_path: str | os.PathLike[str] | None,
) -> Options:
    """The arguments, checked as the real queue checks them; nothing is ever connected to or written."""
    url = redis_url or "redis://recording.invalid"
    return replace(Options.of(url, timeout_seconds, source, on_unavailable, spool_path), spool=_MemorySpool())


class _MemorySpool(Spool):
    """The spool's interface without a file."""

    def __init__(self) -> None:
        super().__init__(Path("in memory"))
        self._waiting: list[tuple[Lane, Item]] = []

    def append(self, lane: Lane, items: Sequence[Item]) -> None:
        self._waiting += [(lane, item) for item in items]

    def has_events(self) -> bool:
        return bool(self._waiting)

    def take(self, limit: int, lease_seconds: float) -> SpooledBatch | None:
        taken = self._waiting[:limit]
        if not taken:
            return None
        batch = SpooledBatch({}, list(range(len(taken))), "")
        for lane, item in taken:
            batch.lanes.setdefault(lane, []).append(item)
        return batch

    def delete(self, batch: SpooledBatch) -> None:
        del self._waiting[: batch.size]

    def give_back(self, batch: SpooledBatch) -> None:
        pass
