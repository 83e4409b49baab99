"""A worker's parts without its process."""

import pytest

from gong_worker.domain.policy import RetryPolicy
from gong_worker.runtime import Runtime
from tests.support.pipeline import Pipeline


@pytest.fixture
def runtime(pipeline: Pipeline) -> Runtime:
    """One that makes three attempts, each due at once."""
    made = Runtime(pipeline.services, concurrency=1)
    made.deliverer.policy = RetryPolicy(max_attempts=3, base_seconds=0.001, max_seconds=0.001)
    return made
