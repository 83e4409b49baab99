"""Fixtures of the simulator's own tests: one server a module, emptied for each test."""

from collections.abc import Iterator

import httpx
import pytest

from gong_worker.simulator import SimulatorClient, running_simulator
from tests.support.simulator import gong_client


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorClient]:
    with running_simulator(per_second=None, seed=1) as client:
        yield client


@pytest.fixture
def sim(server: SimulatorClient) -> SimulatorClient:
    server.reset()
    return server


@pytest.fixture
def gong(sim: SimulatorClient) -> Iterator[httpx.Client]:
    with gong_client(sim.url) as client:
        yield client
