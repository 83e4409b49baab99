"""The clock that the soak steps for one process."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.clock_shim import SteppedClock, have_compiler
from tests.support.processes import clean_environment

SCRIPT = """
import datetime, sys, time
for _ in sys.stdin:
    print(time.time(), datetime.datetime.now().timestamp(), time.monotonic(), flush=True)
"""


@pytest.mark.skipif(not have_compiler(), reason="no C compiler")
def test_only_the_wall_clock_of_one_process_steps(tmp_path: Path) -> None:
    """A step moves what this process calls now, there and back; its monotonic clock, and everyone else's, stay."""
    clock = SteppedClock(tmp_path / "offset")
    environment = {**clean_environment(), **clock.environment}
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for offset in (0, 120, -120, 0):
            clock.step(offset)
            process.stdin.write("\n")
            process.stdin.flush()
            wall, date, monotonic = map(float, process.stdout.readline().split())
            assert abs(wall - time.time() - offset) < 5 and abs(date - time.time() - offset) < 5
            assert abs(monotonic - time.monotonic()) < 5
        process.stdin.close()
