"""The previous release as it was, taken out of this repository's history, and its programs as processes."""

import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tests.support.processes import clean_environment

ROOT = Path(__file__).parents[2]
NAME = "0.1"
#: The newest schema that it knows.
SCHEMA = "0001"
# It has no tag: it is what stood before the first migration that it does not know.
FIRST_UNKNOWN = "migrations/versions/0002_operators.py"
PARTS = ("producers", "worker", "migrations")

# Puts one event a number on the queue, and tells each once it is there; as fast as it is asked to.
PRODUCER = """
import sys, time
from gong_views import ViewQueue
first, last, lane, pause, times = sys.argv[2:7]
with ViewQueue(sys.argv[1], source="previous") as queue:
    for number in range(int(first), int(last)):
        for _ in range(int(times)):
            queue.enqueue({
                "reportingSystem": "content-hub", "eventId": f"view-{number}", "contentId": f"deck-{number}",
                "eventTimestamp": "2026-07-01T12:34:56Z", "contentTitle": "Pricing overview",
                "contentUrl": f"https://content.example/decks/{number}", "viewer": {"email": "dana@globex.example"},
            }, lane)
            print(f"view-{number}", flush=True)
        time.sleep(float(pause))
"""


class NoHistory(Exception):
    """The repository's history does not reach back to the previous release."""


@dataclass(frozen=True)
class PreviousRelease:
    """Its code in a folder, run with the packages of this environment."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes a Python process run it instead of the code of today."""
        return {"PYTHONPATH": f"{self.folder / 'producers'}:{self.folder / 'worker'}"}

    def run(self, *arguments: str, environment: dict[str, str] | None = None) -> str:
        """Run Python with it; its output. AssertionError with all it said when it fails."""
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, timeout=120, cwd=self.folder,
            env={**clean_environment(), **(environment or {}), **self.environment},
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments[:2]} of {NAME}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def enqueue(self, redis_url: str, numbers: range, lane: str = "live", times: int = 1) -> list[str]:
        """Put these events on the queue with its library; the ids of what it put there."""
        arguments = (redis_url, str(numbers.start), str(numbers.stop), lane, "0", str(times))
        return self.run("-c", PRODUCER, *arguments).split()

    def producing(self, redis_url: str, numbers: range, pause_seconds: float) -> "subprocess.Popen[str]":
        """A producer that goes on beside the test; it tells every id on a line of its output."""
        arguments = [redis_url, str(numbers.start), str(numbers.stop), "live", str(pause_seconds), "1"]
        return subprocess.Popen(
            [sys.executable, "-c", PRODUCER, *arguments], stdout=subprocess.PIPE, text=True, cwd=self.folder,
            env={**clean_environment(), **self.environment},
        )  # fmt: skip


def unpack(folder: Path) -> PreviousRelease:
    """Take it out of the history; raises NoHistory."""
    commit = f"{_git('log', '--diff-filter=A', '--format=%H', '--', FIRST_UNKNOWN).decode().strip()}^"
    # In a shallow clone the first commit that there is adds every file, and has no parent.
    archive = _git("archive", commit, *PARTS)
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    migrations = sorted(path.name[:4] for path in (folder / "migrations" / "versions").glob("[0-9]*.py"))
    assert migrations == [SCHEMA], f"{commit} has the migrations {migrations}"
    return PreviousRelease(folder)


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", b"").decode().strip() or str(error)
        raise NoHistory(f"the code of {NAME} is not in this repository's history: {why}") from None
    return done.stdout
