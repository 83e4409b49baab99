"""`python -m gong_worker.simulator`: the simulator as a process; one JSON line on stdout when it is ready."""

import argparse
import json
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from gong_worker.simulator.config import SimulatorConfig
from gong_worker.simulator.server import run


def main() -> None:
    """Parse the command line and serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m gong_worker.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--log", type=Path, help="JSON lines of every call; what it holds is remembered")
    parser.add_argument("--settings", default="{}", help="JSON object, e.g. '{\"per_second\": 50}'")
    arguments = parser.parse_args()
    try:
        config = SimulatorConfig.model_validate_json(arguments.settings)
    except ValidationError as error:
        parser.error(f"--settings: {error}")

    def ready(url: str) -> None:
        sys.stdout.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()

    try:
        run(arguments.host, arguments.port, config, ready, log_path=arguments.log)
    except OSError as error:
        parser.exit(1, f"cannot serve on {arguments.host}:{arguments.port}: {error.strerror}\n")


if __name__ == "__main__":
    main()
