"""Child processes of `up` and `demo`: started here, stopped by pid, never left behind."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STOP_SECONDS = 30.0


@contextmanager
def child(
    arguments: list[str],
    environment: Mapping[str, str],
    *,
    cwd: Path | None = None,
    stdout: Any = None,
    stderr: Any = None,
) -> Iterator["subprocess.Popen[str]"]:
    """Run a Python module beside this process for the length of the block; `environment` adds to ours."""
    # A group of its own: Ctrl-C reaches this process alone, which then stops its children in order.
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-m", *arguments],  # -P: never import what lies in the working directory
        env={**os.environ, **environment},
        cwd=cwd,
        stdout=stdout,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        stop(process)


def stop(process: "subprocess.Popen[str]") -> None:
    """SIGTERM, and SIGKILL when that does not end it in time."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def simulator(log_path: Path, settings: Mapping[str, Any], stderr: Any = None) -> Iterator[str]:
    """The Gong simulator in a process of its own; gives its address."""
    arguments = ["gong_worker.simulator", "--log", str(log_path), "--settings", json.dumps(dict(settings))]
    with child(arguments, {}, stdout=subprocess.PIPE, stderr=stderr) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the simulator did not start")
        yield str(json.loads(line)["url"])


SIMULATOR_CREDENTIALS = {
    "GONG_ACCESS_KEY": "sim-key",
    "GONG_ACCESS_KEY_SECRET": "sim-secret",
    "GONG_BEARER_TOKEN": "",
    "GONG_ACCESS_KEY_FILE": "",
    "GONG_ACCESS_KEY_SECRET_FILE": "",
    "GONG_BEARER_TOKEN_FILE": "",
    **{
        f"GONG_OAUTH_{name}{end}": ""
        for name in ("CLIENT_ID", "CLIENT_SECRET", "KEY")
        for end in ("", "_FILE")
    },
}
