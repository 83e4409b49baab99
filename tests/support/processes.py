"""Real processes for tests: started with a log of their own, stopped by pid, whatever happens."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.log_guard import GUARD


def _heed_interrupts() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Process:
    """A Python module in a process of its own."""

    def __init__(self, arguments: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log_path = log
        GUARD.watch(log, environment or {})
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdout=output, stderr=output, start_new_session=True,
                # A shell that runs the tests in the background ignores Ctrl-C, nohup hangups; children inherit that.
                preexec_fn=_heed_interrupts,
                env={**clean_environment(), **(environment or {})},
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def running(self) -> bool:
        return self.popen.poll() is None

    def stopped(self) -> bool:
        """Whether SIGSTOP has taken hold of it."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] == "T"

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        if self.running():
            os.kill(self.pid, signal.SIGKILL)
        self.popen.wait()
        GUARD.look(ended=self.log_path)

    def terminate(self, seconds: float = 30) -> int:
        """SIGTERM, and its exit code."""
        if self.running():
            self.popen.terminate()
        return self.popen.wait(seconds)


def command(
    *words: str,
    environment: Mapping[str, str],
    cwd: Path | None = None,
    stdin: str | None = None,
    seconds: float = 120,
) -> "subprocess.CompletedProcess[str]":
    """`gong-views` with these words, run to its end; what it said is looked at as a log is."""
    done = subprocess.run(
        [sys.executable, "-m", "gong_worker", *words],
        env={**clean_environment(), **environment}, cwd=cwd, input=stdin,
        capture_output=True, text=True, timeout=seconds,
    )  # fmt: skip
    GUARD.said(" ".join(words), environment, stdout=done.stdout, stderr=done.stderr)
    return done


def clean_environment() -> dict[str, str]:
    """This process's environment without anything of ours."""
    ours = ("GONG_", "REDIS_URL", "DATABASE_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@contextmanager
def process(
    arguments: list[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """A process for the length of the block."""
    started = Process(arguments, log, environment)
    try:
        yield started
    finally:
        started.kill()
