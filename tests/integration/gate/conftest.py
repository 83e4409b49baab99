"""The world of the gate's tests: a clean Valkey and a clock that only the test moves."""

import pytest

from tests.integration.gate.support import World


@pytest.fixture
def world(redis_url: str) -> World:
    return World(redis_url)
