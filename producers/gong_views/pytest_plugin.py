"""pytest fixtures for backends: `pytest_plugins = ["gong_views.pytest_plugin"]` in the top-level conftest.py."""

from collections.abc import Iterator

import pytest

from gong_views.testing import AsyncRecordingViewQueue, RecordingViewQueue


@pytest.fixture
def recording_view_queue() -> Iterator[RecordingViewQueue]:
    """A new recording queue, which also receives what `gong_views.enqueue_view` is given during the test."""
    queue = RecordingViewQueue()
    with queue.as_default():
        yield queue


@pytest.fixture
def async_recording_view_queue() -> AsyncRecordingViewQueue:
    """A new recording queue for asyncio."""
    return AsyncRecordingViewQueue()
