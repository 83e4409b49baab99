"""docs/quickstart.md, command by command."""

import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from gong_worker.operations.services import open_services
from gong_worker.operations.status import status
from gong_worker.settings import WorkerSettings
from tests.support.processes import clean_environment, process
from tests.support.servers import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "quickstart.md"
UP = "gong-views up --sandbox\n"


def test_the_quick_start_does_what_it_says(tmp_path: Path) -> None:
    """Every command of the page, in its order and in an empty folder, succeeds; the refused event is delivered."""
    install, up, *others = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert "pip install" in install
    assert up == UP
    environment = {**clean_environment(), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}

    def run(commands: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", commands],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, (commands, done.stdout, done.stderr)
        return done.stdout

    folder = tmp_path / "var"
    variables = {"GONG_VIEWS_DATA_DIR": str(folder)}
    with ExitStack() as stack:
        server = stack.enter_context(
            process(["gong_worker", *UP.split()[1:]], tmp_path / "up.log", variables)
        )
        stack.callback(server.terminate, 60)  # it ends what it has started
        found = wait_until(lambda: re.search(r"simulator answers at (\S+)", server.log), "the simulator", 60)
        wait_until(lambda: "action=worker_ready" in server.log, "the worker", 60)
        services = open_services(WorkerSettings.load(**variables))

        def settled() -> bool:
            queue = status(services).queue
            return queue is not None and not (queue.live + queue.bulk + queue.delayed + queue.unacked)

        printed = []
        for block in others:
            printed.append(run(re.sub(r"(?<=SIM=)\S+", found[1], block)))
            environment["SIM"] = found[1]
            wait_until(settled, "the events to be at their end", 60)
    assert "viewer.email is not valid" in printed[-3]
    assert "reader@customer.example  team@customer.example" in printed[-2]
    assert re.search(r"^status +delivered$", printed[-1], re.MULTILINE)
    assert "no drift" in printed[-1]
