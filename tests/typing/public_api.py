"""Never run: mypy reads it. Each line pins a type that users of gong_views rely on."""

from typing import assert_type

from gong_views import (
    AsyncViewQueue,
    BatchResult,
    InvalidViewEvent,
    Lane,
    QueueUnavailable,
    Receipt,
    ViewEvent,
    ViewQueue,
    enqueue_view,
)
from gong_views.testing import AsyncRecordingViewQueue, RecordedView, RecordingViewQueue


def sync(event: ViewEvent) -> None:
    with ViewQueue("redis://localhost", timeout_seconds=1, source="shop", on_unavailable="spool") as queue:
        assert_type(queue, ViewQueue)
        assert_type(queue.enqueue(event), Receipt)
        assert_type(queue.enqueue({"contentId": "a"}, "bulk", replay_of=1), Receipt)
        assert_type(queue.enqueue(event, Lane.BULK).spooled, bool)
        result = queue.enqueue_many((event for _ in range(3)), lane="bulk", batch_size=10)
        assert_type(result, BatchResult)
        assert_type(result.accepted, list[tuple[int, Receipt]])
        assert_type(result.rejected, list[tuple[int, list[dict[str, str]]]])
        for part in queue.enqueue_batches([event, {}, "{}", b"{}"]):
            assert_type(part, BatchResult)
        assert_type(queue.drain_spool(), int)
        queue.enqueue(event, "fast")  # type: ignore[arg-type]
        queue.enqueue(3)  # type: ignore[arg-type]
    ViewQueue(on_unavailable="ignore")  # type: ignore[arg-type]
    assert_type(enqueue_view(event), Receipt)
    assert_type(enqueue_view({"contentId": "a"}, "bulk").message_id, str)


async def asynchronous(event: ViewEvent) -> None:
    async with AsyncViewQueue() as queue:
        assert_type(queue, AsyncViewQueue)
        assert_type(await queue.enqueue(event, lane="bulk"), Receipt)
        assert_type(await queue.enqueue_many([event]), BatchResult)
        async for part in queue.enqueue_batches([event]):
            assert_type(part, BatchResult)
        assert_type(await queue.drain_spool(), int)
        await queue.enqueue(event, "fast")  # type: ignore[arg-type]


def errors(unavailable: QueueUnavailable, invalid: InvalidViewEvent) -> None:
    assert_type(unavailable.reason, str)
    assert_type(unavailable.result, BatchResult | None)
    assert_type(invalid.errors, list[dict[str, str]])


def parsing(data: dict[str, object]) -> None:
    assert_type(ViewEvent.parse(data), ViewEvent)
    assert_type(ViewEvent.parse("{}").event_id, str)


def recording(queue: RecordingViewQueue, other: AsyncRecordingViewQueue) -> tuple[ViewQueue, AsyncViewQueue]:
    assert_type(queue.events, list[ViewEvent])
    assert_type(queue.recorded, list[RecordedView])
    assert_type(queue.assert_enqueued("view-1", lane="bulk", times=1, content_id="a"), RecordedView)
    assert_type(other.assert_enqueued(lane=Lane.LIVE).lane, Lane)
    with queue.unavailable("timeout"), queue.as_default():
        queue.assert_not_enqueued(lane="fast")  # type: ignore[arg-type]
    return queue, other
