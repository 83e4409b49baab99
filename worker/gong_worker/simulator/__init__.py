"""A stand-in for Gong that is stricter than Gong, remembers what it accepted, and misbehaves on request.

Serves `PUT /v2/customer-engagement/content/viewed`, and `/_sim/` to read and steer it.
"""

from gong_worker.simulator.client import SimulatorClient, SimulatorError
from gong_worker.simulator.config import SimulatorConfig
from gong_worker.simulator.server import Simulator, run, running_simulator
from gong_worker.simulator.windows import max_in_sliding_second

__all__ = [
    "Simulator",
    "SimulatorClient",
    "SimulatorConfig",
    "SimulatorError",
    "max_in_sliding_second",
    "run",
    "running_simulator",
]
