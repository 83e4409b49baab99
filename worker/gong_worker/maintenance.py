"""Maintenance threads: what a worker does periodically beside delivering."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

# A job that failed is tried again so soon: a lease has to be renewed as soon as the ledger is back.
RETRY_SECONDS = 1.0


@dataclass
class PeriodicJob:
    """Something to do every `every_seconds`."""

    name: str
    every_seconds: float
    action: Callable[[], object]
    due_at: float = 0.0
    failing: bool = False


class MaintenanceThread:
    """A thread that runs jobs. A failing job is logged when it begins to fail and when it works again."""

    def __init__(self, name: str, jobs: list[PeriodicJob]) -> None:
        self._jobs = jobs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"gong-views-{name}", daemon=True)

    def start(self) -> None:
        """Begin; the thread ends with the process or with `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """End after the job at hand."""
        self._stop.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        pause = min(job.every_seconds for job in self._jobs)
        while not self._stop.wait(pause):
            for job in self._jobs:
                if time.monotonic() >= job.due_at:
                    job.due_at = time.monotonic() + job.every_seconds
                    self._do(job)

    def _do(self, job: PeriodicJob) -> None:
        try:
            job.action()
        except Exception as error:
            if not job.failing:
                log.warning(
                    "maintenance job fails",
                    extra={"action": "housekeeping_failed", "duty": job.name, "error": type(error).__name__},
                )
            job.failing = True
            job.due_at = time.monotonic() + min(job.every_seconds, RETRY_SECONDS)
        else:
            if job.failing:
                log.info("maintenance job works again", extra={"action": "housekeeping_ok", "duty": job.name})
            job.failing = False
