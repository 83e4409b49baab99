"""`gong_views.testing`: what a backend's own tests rely on."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gong_views import (
    AsyncViewQueue,
    InvalidViewEvent,
    Lane,
    QueueUnavailable,
    SettingsError,
    ViewEvent,
    ViewQueue,
    enqueue_view,
)
from gong_views.testing import AsyncRecordingViewQueue, RecordingViewQueue
from tests.support.views import view

pytest_plugins = ["pytester"]


def test_it_stands_in_for_the_real_queue() -> None:
    """Same type, arguments and receipts; events are recorded in order with lane, source and replay."""
    queue = RecordingViewQueue(
        "redis://elsewhere", timeout_seconds=1, source="shop", on_unavailable="spool", spool_path="/nowhere"
    )
    assert isinstance(queue, ViewQueue) and isinstance(AsyncRecordingViewQueue(), AsyncViewQueue)
    with queue:
        receipt = queue.enqueue(view(1), "bulk", replay_of=7)
        result = queue.enqueue_many((view(number) for number in range(2, 5)), batch_size=2)
        queue.ping()
    assert [event.event_id for event in queue.events] == ["view-1", "view-2", "view-3", "view-4"]
    first = queue.recorded[0]
    assert (first.lane, first.source, first.replay_of) == (Lane.BULK, "shop", 7)
    assert (first.event_id, first.message_id) == (receipt.event_id, receipt.message_id)
    assert [index for index, _ in result.accepted] == [0, 1, 2] and not result.rejected
    queue.clear()
    assert queue.events == []


def test_it_validates_like_the_real_queue() -> None:
    """An invalid event, a wrong lane and wrong arguments raise as in production, and nothing is recorded."""
    queue = RecordingViewQueue()
    with pytest.raises(InvalidViewEvent, match=r"viewer\.email"):
        queue.enqueue(view(1, viewer={"email": 3}))
    with pytest.raises(ValueError, match="live"):
        queue.enqueue(view(1), "fast")  # type: ignore[arg-type]
    result = queue.enqueue_many([{}, view(2)])
    assert [index for index, _ in result.rejected] == [0] and queue.events == [ViewEvent.parse(view(2))]
    for wrong in (
        {"source": ""},
        {"on_unavailable": "ignore"},
        {"redis_url": "http://x"},
        {"timeout_seconds": 0},
    ):
        with pytest.raises(SettingsError):
            RecordingViewQueue(**wrong)  # type: ignore[arg-type]


def test_assertions_by_event() -> None:
    """An event is found by id, lane, count and any attribute, as a Python object or as JSON."""
    queue = RecordingViewQueue()
    queue.enqueue_many([view(1), view(2), view(1)], "bulk")
    assert queue.assert_enqueued("view-2") is queue.recorded[1]
    queue.assert_enqueued(lane=Lane.BULK, times=3)
    queue.assert_enqueued("view-1", times=2, lane="bulk", viewer={"email": "dana@globex.example"})
    queue.assert_enqueued(event_timestamp=datetime(2026, 7, 1, 12, 34, 56, tzinfo=UTC))
    queue.assert_enqueued(event_timestamp="2026-07-01T12:34:56Z", content_id="deck-2", tracking_id=None)
    queue.assert_not_enqueued("view-3")
    queue.assert_not_enqueued("view-1", lane="live")


def test_a_failed_assertion_names_ids_and_fields_but_no_values() -> None:
    """The error tells what was enqueued and what differs, with nobody's data in it."""
    queue = RecordingViewQueue()
    with pytest.raises(AssertionError, match="nothing was enqueued"):
        queue.assert_enqueued("view-1")
    queue.enqueue_many(view(number) for number in range(12))
    with pytest.raises(AssertionError) as caught:
        queue.assert_enqueued("view-1", lane="bulk", viewer={"email": "kim@globex.example"})
    assert "view-1 (live) differs in lane, viewer" in str(caught.value) and "2 more" in str(caught.value)
    assert "globex" not in str(caught.value)
    with pytest.raises(AssertionError, match="2 wanted, 1 enqueued: view-0"):
        queue.assert_enqueued("view-1", times=2)
    with pytest.raises(AssertionError, match="none wanted, 12 enqueued"):
        queue.assert_not_enqueued()
    with pytest.raises(TypeError, match="contentId"):
        queue.assert_enqueued(contentId="deck-1")


def test_told_to_be_unavailable_it_raises_or_spools() -> None:
    """Within the block nothing is recorded; what is spooled is recorded with the next success, in order."""
    raising, spooling = RecordingViewQueue(), RecordingViewQueue(on_unavailable="spool")
    with raising.unavailable("timeout"):
        for call in (lambda: raising.enqueue(view(1)), lambda: raising.enqueue_many([view(1)]), raising.ping):
            with pytest.raises(QueueUnavailable) as caught:
                call()
            assert caught.value.reason == "timeout"
    raising.assert_not_enqueued()
    raising.enqueue(view(1))
    with spooling.unavailable():
        assert spooling.enqueue(view(1), "bulk").spooled
        assert spooling.enqueue_many([view(2), {}, view(3)]).accepted[1][1].spooled
        with pytest.raises(QueueUnavailable):
            spooling.drain_spool()
    assert spooling.events == []
    assert not spooling.enqueue(view(4)).spooled
    assert [(one.event_id, one.lane) for one in spooling.recorded] == [
        ("view-4", "live"), ("view-1", "bulk"), ("view-2", "live"), ("view-3", "live"),
    ]  # fmt: skip
    assert spooling.drain_spool() == 0


def test_the_async_one_is_the_same_for_coroutines() -> None:
    """Recording, batches, spooling and assertions, without a thread or a connection."""

    async def main() -> None:
        async with AsyncRecordingViewQueue(source="shop", on_unavailable="spool") as queue:
            with queue.unavailable():
                assert (await queue.enqueue(view(1))).spooled
                with pytest.raises(QueueUnavailable):
                    await queue.ping()
            await queue.ping()
            result = await queue.enqueue_many([view(2), {}], "bulk")
            assert len(result.rejected) == 1
        queue.assert_enqueued("view-1", lane="live", times=1)
        assert queue.assert_enqueued("view-2", lane="bulk").source == "shop"

    asyncio.run(main())


def test_enqueue_view_goes_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """`as_default` redirects `enqueue_view`, also where it was imported before, and only within the block."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    queue = RecordingViewQueue()
    with queue.as_default():
        enqueue_view(view(1), "bulk")
        with queue.unavailable(), pytest.raises(QueueUnavailable):
            enqueue_view(view(2))
    queue.assert_enqueued("view-1", lane="bulk", times=1)
    with pytest.raises(QueueUnavailable, match="127"):
        enqueue_view(view(3))
    assert len(queue.events) == 1


def test_the_pytest_plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fixtures are new in each test, and need no Redis and no setting."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(sys.modules["gong_views"].__file__ or "").parents[1]))
    pytester.makeconftest('pytest_plugins = ["gong_views.pytest_plugin"]')
    pytester.makepyfile(
        f"""
        from gong_views import enqueue_view

        def test_one(recording_view_queue):
            enqueue_view({view(1)!r})
            recording_view_queue.assert_enqueued("view-1", times=1)

        def test_two(recording_view_queue, async_recording_view_queue):
            recording_view_queue.assert_not_enqueued()
            async_recording_view_queue.assert_not_enqueued()
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)
