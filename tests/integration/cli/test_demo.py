"""`gong-views demo`, the first thing that a newcomer runs."""

import signal
import time
from pathlib import Path
from threading import Event

import psutil

from tests.support.processes import Process

FREEZE_SECONDS, APART_SECONDS = 0.08, 0.7


def test_a_stalled_machine(tmp_path: Path) -> None:
    """The demo accounts for every event and blames nobody for going too fast when the machine stalls its parts."""
    demo = Process(["gong_worker", "demo"], tmp_path / "demo.log")
    beat, deadline = Event(), time.monotonic() + 120
    try:
        while demo.running():
            assert time.monotonic() < deadline, demo.log
            for part in simulators(demo):
                part.send_signal(signal.SIGSTOP)
                beat.wait(FREEZE_SECONDS)
                part.send_signal(signal.SIGCONT)
            beat.wait(APART_SECONDS)
    finally:
        demo.terminate()
    assert demo.popen.returncode == 0, demo.log
    assert "Every event is accounted for" in demo.log


def simulators(demo: Process) -> list[psutil.Process]:
    """The demo's stand-in of Gong, once it has started."""
    try:
        return [
            part
            for part in psutil.Process(demo.pid).children()
            if "gong_worker.simulator" in " ".join(part.cmdline())
        ]
    except psutil.NoSuchProcess:
        return []
