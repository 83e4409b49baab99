"""A backend's database of each kind with an outbox in it, and a queue."""

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from gong_views import ViewQueue
from tests.integration.outbox.support import backend_engine, install


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """The backend's engine; its migrations have run."""
    engine = backend_engine(database_url)
    install(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def queue(redis_url: str) -> Iterator[ViewQueue]:
    """The queue a relay writes to."""
    with ViewQueue(redis_url, source="shop") as queue:
        yield queue


@pytest.fixture
def stop() -> threading.Event:
    """What tells a relay to end; never set unless the test does."""
    return threading.Event()
